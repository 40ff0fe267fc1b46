"""The files that the playground takes from the npm registry, in the locked versions."""

import filecmp
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
LOCK = "package-lock.json"
PYODIDE = (
    "pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json", "python_stdlib.zip",
)  # fmt: skip


def install(folder: Path) -> Path:
    """Install the packages into a folder, unless it has them, and return its node_modules.

    Raises RuntimeError if npm is not installed or fails.
    """
    if is_current(folder):
        return folder / "node_modules"
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("the playground requires npm; on Debian and Ubuntu: apt install npm")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as parent:
        new = Path(parent, "npm")
        new.mkdir()
        for name in ("package.json", LOCK):
            shutil.copy(HERE / name, new)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(new)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            raise RuntimeError(f"npm failed: {run.stderr.strip()}")
        if not is_current(folder):  # another process may have installed them in the meantime
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                new.rename(folder)
    return folder / "node_modules"


def is_current(folder: Path) -> bool:
    """Return whether a folder has the locked packages."""
    lock = folder / LOCK
    has_files = (folder / "node_modules").exists() and lock.exists()
    return has_files and filecmp.cmp(HERE / LOCK, lock, shallow=False)


def copy_packages(modules: Path, out: Path) -> None:
    """Copy Pyodide and Graphviz into the folder of the playground."""
    (out / "pyodide").mkdir(parents=True, exist_ok=True)
    for name in PYODIDE:
        shutil.copyfile(modules / "pyodide" / name, out / "pyodide" / name)
    graphviz = modules / "@hpcc-js" / "wasm-graphviz" / "dist" / "index.js"
    shutil.copyfile(graphviz, out / "graphviz.mjs")
