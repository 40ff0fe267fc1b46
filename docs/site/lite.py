"""JupyterLite: the notebooks that need no NumPy, with a Python kernel in the browser.

The kernel loads Python and Graphviz from the folder of the playground. Its wheels come from PyPI.
Builds of NumPy and matplotlib for the browser are neither on PyPI nor on npm, but only on Pyodide's
servers.
"""

import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from email.parser import BytesParser
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from zipfile import ZipFile

HERE = Path(__file__).parent
KERNEL = HERE / "kernel.txt"
EXTENSION = "labextensions/@jupyterlite/pyodide-kernel-extension"
PYTHON = "3.14"  # of Pyodide
BUNDLED = ("piplite", "pyodide_kernel", "ipykernel")  # wheels in the extension
DISABLED_EXTENSIONS = (  # extensions that request files of other apps
    "@jupyter-notebook/notebook-extension:tab-icon",
    "@jupyterlab/application-extension:faviconbusy",
)
NEEDS_NUMPY = re.compile(r"\b(numpy|matplotlib)\b")
# Schema validators are compiled by eval; widgets and downloads are blobs.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: "
    "blob:; worker-src 'self' blob:; frame-src 'self' blob: data:; manifest-src 'self'; base-uri "
    "'none'; form-action 'none'"
)


def can_run(notebook: Path) -> bool:
    """Return whether a notebook runs without NumPy and matplotlib."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return not NEEDS_NUMPY.search("\n".join(code))


def build_lite(site: Path, notebooks: Iterable[Path], cache: Path = Path("out/kernel")) -> None:
    """Write JupyterLite into the folder `lite` of a site whose other parts exist.

    Args:
        site: the folder of the site, with the playground and the wheel of stepgrad.
        notebooks: the notebooks that can be opened.
        cache: a folder for the wheels of the kernel, which a second build reuses.

    Requires jupyterlite-core and jupyterlite-pyodide-kernel. Raises RuntimeError if pip or
    JupyterLite fails.
    """
    extension = find_extension()
    pyodide = site / "playground" / "pyodide"
    wheels = [*download(cache), *site.glob("stepgrad-*.whl")]
    wheels += [x for x in (extension / "static/pypi").glob("*.whl") if x.name.startswith(BUNDLED)]
    for wheel in wheels:
        shutil.copy(wheel, pyodide)
    packages = write_lock(pyodide, [pyodide / wheel.name for wheel in wheels])
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "files")
        files.mkdir()
        chosen = [*notebooks]
        for notebook in chosen:
            text = remove_links(notebook.read_text("utf-8"), {path.name for path in chosen})
            (files / notebook.name).write_text(text, "utf-8")
        settings = json.dumps(configure(packages))
        Path(folder, "jupyter-lite.json").write_text(settings, "utf-8")
        run_quietly(
            sys.executable, "-m", "jupyterlite_core", "build", "--lite-dir", folder, "--contents",
            str(files), "--output-dir", str(site.absolute() / "lite"), "--apps", "notebooks",
            "--apps", "tree", "--no-sourcemaps", "--no-unused-shared-packages",
            "--LiteBuildConfig.ignore_sys_prefix=True",
            f"--LiteBuildConfig.federated_extensions={extension}", folder=folder,
        )  # fmt: skip
    policy = f'<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">'
    for page in (site / "lite").rglob("*.html"):
        up = "../" * len(page.relative_to(site).parts[1:])
        head = f'<head>\n{policy}<link rel="icon" href="{up}icon.svg">'
        page.write_text(page.read_text("utf-8").replace("<head>", head, 1), "utf-8")


def remove_links(notebook: str, names: set[str]) -> str:
    """Return a notebook, as JSON, in which links to files other than `names` become text.

    >>> cell = {"cell_type": "markdown", "source": ["[two](2.ipynb) and [three](3.ipynb)"]}
    >>> json.loads(remove_links(json.dumps({"cells": [cell]}), {"2.ipynb"}))["cells"][0]["source"]
    '[two](2.ipynb) and three'
    """

    def replace(match: re.Match[str]) -> str:
        is_kept = match[2].startswith("http") or match[2].partition("#")[0] in names
        return match[0] if is_kept else match[1]

    content = json.loads(notebook)
    for cell in content["cells"]:
        if cell["cell_type"] == "markdown":
            text = "".join(cell["source"])
            cell["source"] = re.sub(r"\[([^\]]*)\]\(([^)\s]*)\)", replace, text)
    return json.dumps(content)


def find_extension() -> Path:
    """Return the folder of the extension in the installed jupyterlite-pyodide-kernel."""
    files = distribution("jupyterlite-pyodide-kernel").files or []
    (package,) = (x for x in files if x.as_posix().endswith(f"{EXTENSION}/package.json"))
    return Path(package.locate()).resolve().parent


def download(cache: Path) -> list[Path]:
    """Return the wheels of the kernel; download them unless the folder has them."""
    stamp = cache / KERNEL.name
    if not stamp.exists() or stamp.read_bytes() != KERNEL.read_bytes():
        shutil.rmtree(cache, ignore_errors=True)
        run_quietly(
            sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--dest",
            str(cache), "--requirement", str(KERNEL), "--only-binary=:all:", "--platform=any",
            f"--python-version={PYTHON}",
        )  # fmt: skip
        shutil.copy(KERNEL, stamp)
    return sorted(cache.glob("*.whl"))


def run_quietly(*command: str, folder: str | None = None) -> None:
    """Run a command in a folder. Raises RuntimeError with its output if it fails."""
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if run.returncode:
        raise RuntimeError(f"{' '.join(command[1:4])} failed: {run.stdout}{run.stderr}")


def write_lock(pyodide: Path, wheels: list[Path]) -> list[str]:
    """Replace the packages in Pyodide's lock file by wheels beside it; return their names."""
    path = pyodide / "pyodide-lock.json"
    lock = json.loads(path.read_text("utf-8"))
    start = write_startup_wheel(pyodide)
    packages = {package["name"]: package for package in map(describe_wheel, [*wheels, start])}
    for package in packages.values():
        package["depends"] = [name for name in package["depends"] if name in packages]
    path.write_text(json.dumps(lock | {"packages": packages}), "utf-8")
    return [*packages]


def describe_wheel(wheel: Path) -> dict[str, Any]:
    """Return the entry of a wheel in Pyodide's lock file."""
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (x for x in names if re.fullmatch(r"[^/]*\.dist-info/METADATA", x))
        fields = BytesParser().parsebytes(archive.read(metadata))
    modules = {x.split("/")[0].removesuffix(".py") for x in names if ".dist-info/" not in x}
    needs = [x for x in fields.get_all("Requires-Dist", []) if "extra ==" not in x]
    return {
        "name": normalize(fields["Name"]), "version": fields["Version"], "file_name": wheel.name,
        "install_dir": "site", "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "package_type": "package", "unvendored_tests": False,
        "imports": sorted(modules),
        "depends": [normalize(re.split(r"[^\w.-]", x)[0]) for x in needs],
    }  # fmt: skip


def normalize(name: str) -> str:
    """Return the normalized name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def write_startup_wheel(folder: Path) -> Path:
    """Write a wheel with the module that runs when a kernel starts, and return its path."""
    path, info = folder / "lite_start-1.0-py3-none-any.whl", "lite_start-1.0.dist-info"
    with ZipFile(path, "w") as archive:
        archive.writestr("lite_start.py", (HERE / "lite_start.py").read_bytes())
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: lite-start\nVersion: 1.0\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def configure(packages: list[str]) -> dict[str, object]:
    """Return the settings of JupyterLite. Its addresses are relative to its folder."""
    kernel = {
        "pyodideUrl": "./../playground/pyodide/pyodide.mjs",
        "disablePyPIFallback": True,
        "loadPyodideOptions": {
            "packages": packages,
            "env": {"PYTHONSTARTUP": f"/lib/python{PYTHON}/site-packages/lite_start.py"},
        },
    }
    data = {
        "appName": "stepgrad", "appUrl": "./tree", "faviconUrl": "./../icon.svg",
        "disabledExtensions": [*DISABLED_EXTENSIONS],
        "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
    }  # fmt: skip
    return {"jupyter-lite-schema-version": 0, "jupyter-config-data": data}
