"""The playground: Python, Graphviz and stepgrad as static files, and a page for each example."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from docs.site.examples import EXAMPLES
from docs.site.npm import copy_packages, install
from docs.site.package import write_package

HERE = Path(__file__).parent
FILES = ("playground.js", "worker.mjs", "python.mjs", "frame.html")


def build_playground(out: Path, npm: Path = Path("out/npm")) -> None:
    """Write the playground's files, except its page, into a folder.

    `npm` is a folder for the packages from npm, which a second build reuses. Raises RuntimeError
    if npm or node is not installed or fails.
    """
    copy_packages(install(npm), out)
    for name in FILES:
        shutil.copyfile(HERE / name, out / name)
    (out / "empty.bin").write_bytes(b"")
    write_package(out / "package.zip")
    node = shutil.which("node")
    if node is None:
        raise RuntimeError("the playground requires node; on Debian and Ubuntu: apt install nodejs")
    with tempfile.TemporaryDirectory() as folder:
        examples = Path(folder, "examples.json")
        texts = {name: {"title": title, "code": code} for name, (title, code) in EXAMPLES.items()}
        examples.write_text(json.dumps(texts), "utf-8")
        command = [node, str(HERE / "snapshot.mjs"), str(out), str(examples)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"node failed: {run.stderr[-2000:]}")
