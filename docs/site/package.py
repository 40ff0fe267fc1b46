"""The wheel of the project, and the archive of the Python files that the playground runs."""

import tempfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile, ZipInfo

HERE = Path(__file__).parent
LEFT_OUT = ("stepgrad/nn/mnist/", "stepgrad/nn/names/")  # data, which is read with NumPy
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same bytes in each build


def write_wheel(folder: Path) -> Path:
    """Build the wheel of the project in the current folder, and return its path in another folder.

    Requires hatchling.
    """
    from hatchling.build import build_wheel

    return folder / build_wheel(str(folder))


def write_package(path: Path) -> None:
    """Write stepgrad, as the wheel installs it, graphviz and the playground's module as a .zip."""
    with tempfile.TemporaryDirectory() as folder, ZipFile(path, "w") as archive:
        with ZipFile(write_wheel(Path(folder))) as wheel:
            for name in sorted(wheel.namelist()):
                if name.startswith("stepgrad/") and not name.startswith(LEFT_OUT):
                    add(archive, name, wheel.read(name))
        graphviz = Path(distribution("graphviz").locate_file("graphviz"))  # type: ignore[arg-type]
        for file in sorted(graphviz.rglob("*.py")):
            add(archive, f"graphviz/{file.relative_to(graphviz).as_posix()}", file.read_bytes())
        add(archive, "playground.py", (HERE / "playground.py").read_bytes())


def add(archive: ZipFile, name: str, data: bytes) -> None:
    """Add a file to an archive."""
    archive.writestr(ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED, 9)
