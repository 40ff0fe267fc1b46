"""`python -m notebooks` runs the notebooks anew, and saves them with what they show.

Each runs from top to bottom in this very interpreter's kernel, in an empty folder that is thrown
away, with no settings of the user. What differs from run to run, such as times, is not saved, so
that running them again changes no file where nothing else has changed.
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

PATHS = sorted(Path(__file__).parent.glob("*.ipynb"))
METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}
SETTINGS = {  # one thread: sums are added up in the same order on any number of cores
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}  # fmt: skip


def main() -> None:
    for path in PATHS:
        try:
            notebook = executed(nbformat.read(path, as_version=4))
        except CellExecutionError as error:
            sys.exit(f"{path.name} was left as it is:\n{error}")
        except NotJSONError:
            sys.exit(f"{path.name} is no notebook, or only a part of one; git has it whole")
        except (KeyboardInterrupt, CancelledError):
            sys.exit(f"stopped; {path.name} was left as it is")
        text = nbformat.writes(normalized(notebook))
        path.write_text(text.rstrip("\n") + "\n", "utf-8", newline="\n")
        print(f"ran {path.name}")


def executed(notebook: Any) -> Any:
    """The notebook, with what its cells show when they run now; CellExecutionError if one fails."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as profile:
        # With no folders to look in there is one kernel: this interpreter's.
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
    """The notebook with the metadata that all of them have, and none of a run."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    nbformat.validate(notebook)
    return notebook


if __name__ == "__main__":
    main()
