"""`python -m notebooks` runs all notebooks and saves them with their outputs.

`python -m notebooks 1 5` runs the notebooks 1 and 5. Each notebook runs from top to bottom in a
kernel of this interpreter, in a temporary folder, without user settings. Times and other metadata
of a run are not saved, so running a notebook again does not change its file unless its results
change.
"""

import os
import sys
import tempfile
from asyncio import CancelledError
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.reader import NotJSONError

PATHS = sorted(
    Path(__file__).parent.glob("*.ipynb"), key=lambda path: int(path.stem.partition("_")[0])
)
METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}
SETTINGS = {  # one thread, so that sums have the same order on any number of cores
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}  # fmt: skip


def main() -> None:
    starts = tuple(f"{name}_" for name in sys.argv[1:]) or ("",)
    for path in [path for path in PATHS if f"{path.stem}_".startswith(starts)]:
        try:
            notebook = executed(nbformat.read(path, as_version=4))
        except CellExecutionError as error:
            sys.exit(f"{path.name} failed and was not changed:\n{error}")
        except NotJSONError:
            sys.exit(f"{path.name} is not a valid notebook; restore it with git checkout")
        except (KeyboardInterrupt, CancelledError):
            sys.exit(f"stopped; {path.name} was not changed")
        text = nbformat.writes(normalized(notebook))
        path.write_text(text.rstrip("\n") + "\n", "utf-8", newline="\n")
        print(f"ran {path.name}")


def executed(notebook: Any) -> Any:
    """Run a notebook and return it with its outputs. Raises CellExecutionError if a cell fails."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as profile:
        # Without kernel folders, the only kernel is that of this interpreter.
        kernels = KernelSpecManager(kernel_dirs=[])
        client = NotebookClient(
            notebook,
            km=AsyncKernelManager(kernel_spec_manager=kernels),
            resources={"metadata": {"path": folder}},
            extra_arguments=["--log-level=ERROR"],
            coalesce_streams=True,
            record_timing=False,
            timeout=300,
        )
        env = {**os.environ, **SETTINGS, "IPYTHONDIR": profile}
        return client.execute(cleanup_kc=True, env=env)


def normalized(notebook: Any) -> Any:
    """Return the notebook with the metadata common to all notebooks and none of the run."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    nbformat.validate(notebook)
    return notebook


if __name__ == "__main__":
    main()
