"""Run the tests of HIPS/autograd on this engine, from their source distribution: `make test-hips`.

Arguments are pytest's, such as `-k einsum`. The adapter prints the table at the end. Without
arguments, the run fails if README.md contains a different table.
"""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

VERSION = "1.8.0"
ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "out" / "hips"


def download() -> Path:
    """Return the folder of the tests, which pip downloads if they are not there."""
    tests = FOLDER / f"autograd-{VERSION}" / "tests"
    if not tests.exists():
        only_source = ["--no-deps", "--no-binary", ":all:", "--dest", str(FOLDER)]
        pip = [sys.executable, "-m", "pip", "download", *only_source, f"autograd=={VERSION}"]
        subprocess.run(pip, check=True)
        with tarfile.open(FOLDER / f"autograd-{VERSION}.tar.gz") as archive:
            archive.extractall(FOLDER, filter="data")
    return tests


def main() -> int:
    tests = download()
    settings = ["-c", "/dev/null", f"--rootdir={tests}", "-p", "tests.peers.hips.adapter"]
    status = int(pytest.main([*settings, "-q", "--tb=short", str(tests), *sys.argv[1:]]))
    from tests.peers.hips.adapter import TABLE  # the plugin, which replaces modules of HIPS

    text = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    if status == 0 and len(sys.argv) == 1 and "\n".join(TABLE) not in text:
        print("README.md contains a different table; copy this one, if SciPy is installed")
        return 1
    return status


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
