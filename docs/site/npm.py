"""The files that the playground takes from the npm registry, in the versions of package-lock.json."""

import filecmp
import shutil
import subprocess
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
    modules = folder / "node_modules"
    if modules.exists() and filecmp.cmp(HERE / LOCK, folder / LOCK, shallow=False):
        return modules
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("the playground requires npm; on Debian and Ubuntu: apt install npm")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(modules, ignore_errors=True)
    shutil.copy(HERE / "package.json", folder)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)]
    shutil.copy(HERE / LOCK, folder)
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        (folder / LOCK).unlink()
        raise RuntimeError(f"npm failed: {run.stderr.strip()}")
    return modules


def copy_packages(modules: Path, out: Path) -> None:
    """Copy Pyodide and Graphviz into the folder of the playground."""
    (out / "pyodide").mkdir(parents=True, exist_ok=True)
    for name in PYODIDE:
        shutil.copyfile(modules / "pyodide" / name, out / "pyodide" / name)
    graphviz = modules / "@hpcc-js" / "wasm-graphviz" / "dist" / "index.js"
    shutil.copyfile(graphviz, out / "graphviz.mjs")
