"""Writing an archive is atomic: after any failure there is the old file or the new one."""

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nn.archive import pack, read, write


def test_a_missing_file_and_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        read(tmp_path / "nothing")
    with pytest.raises(
        FileNotFoundError, match=r"no folder .*nowhere to write model to; create it"
    ):
        write(tmp_path / "nowhere" / "model", {})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("old", [True, False])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error, call, old):
    def fails(*args):
        assert len(names(tmp_path)) == 1 + old  # the temporary file exists
        raise error

    if old:
        write(tmp_path / "model", "old")
    monkeypatch.setattr(os, call, fails)
    with pytest.raises(type(error)):
        write(tmp_path / "model", {"new": np.ones(3)})
    assert names(tmp_path) == ["model"] * old
    if old:
        assert read(tmp_path / "model") == "old"


def run(script, *args):
    """Run a script in a new process and return its output."""
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.check_output(command, cwd=root, text=True)


FULL = """
import resource, sys
import numpy as np
from nn import archive
archive.write(sys.argv[1], "old")
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    archive.write(sys.argv[1], np.zeros(10_000))
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of the size of files are POSIX's")
def test_a_disk_that_is_full(tmp_path):
    """The process may write at most 10,000 bytes to a file."""
    assert run(FULL, tmp_path / "model").strip() == os.strerror(errno.EFBIG)
    assert names(tmp_path) == ["model"]
    assert read(tmp_path / "model") == "old"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_folder_that_cannot_be_written(tmp_path):
    write(tmp_path / "model", "old")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            write(tmp_path / "model", "new")
    finally:
        tmp_path.chmod(0o700)
    assert names(tmp_path) == ["model"]
    assert read(tmp_path / "model") == "old"


def test_the_content_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    """The file is synced, then renamed; then the folder is synced."""
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def spy(*args, name=name, real=real):
            folder = name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode)
            calls.append("folder" if folder else name)
            return real(*args)

        monkeypatch.setattr(os, name, spy)
    write(tmp_path / "model", 1)
    assert calls == ["fsync", "replace", *(["folder"] if sys.platform != "win32" else [])]


def test_the_temporary_file_of_a_killed_process_is_harmless(tmp_path):
    (tmp_path / ".stepgrad-0123456789abcdef.tmp").write_bytes(pack("old")[:50])
    write(tmp_path / "model", 1)
    assert read(tmp_path / "model") == 1
    assert len(names(tmp_path)) == 2


posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


@posix
def test_a_link_stays_a_link(tmp_path):
    """The file that it points to is replaced or created."""
    (tmp_path / "runs").mkdir()
    link, file = tmp_path / "latest", tmp_path / "runs" / "model"
    link.symlink_to(Path("runs", "model"))
    for tree in (1, 2):
        write(link, tree)
        assert link.is_symlink()
        assert read(link) == read(file) == tree
    assert names(tmp_path) == ["latest", "runs"]
    assert names(tmp_path / "runs") == ["model"]


@posix
def test_permissions_stay(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "model", 1)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o640
    (tmp_path / "model").chmod(0o604)
    write(tmp_path / "model", 2)
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == 0o604


@posix
def test_only_files_are_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(OSError, match="is a folder or a device; pass the name of a file"):
            write(path, 1)
    assert names(tmp_path) == ["pipe"]


@pytest.mark.parametrize("kind", [str, Path])
def test_any_kind_of_path_and_a_long_name(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    for name in ("model", "m" * 250, "ü.npz"):
        write(kind(name), name)
        assert read(kind(name)) == name


KILLED = """
import json, os, random, signal, sys, time
import numpy as np
from nn import archive

path, rng, numbers = sys.argv[1], random.Random(0), []
for _ in range(20):
    start = numbers[-1] + 1 if numbers else 0
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        for n in range(start, 10**9):
            archive.write(path, {"n": n, "x": [np.full(50_000, n), np.full(7, n)]})
            os.write(writer, b".")
    os.close(writer)
    written = len(os.read(reader, 1))
    time.sleep(rng.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while dots := os.read(reader, 999):
        written += len(dots)
    os.close(reader)
    tree = archive.read(path)
    assert all((x == tree["n"]).all() for x in tree["x"])
    assert tree["n"] - start in (written - 1, written)  # one more may be written and not reported
    numbers.append(tree["n"])
print(json.dumps(numbers))
"""


@posix
def test_a_process_killed_while_it_writes(tmp_path):
    """After SIGKILL to each of twenty writing processes, the file is complete and the latest."""
    numbers = json.loads(run(KILLED, tmp_path / "model"))
    assert len(numbers) == 20
    assert {Path(name).suffix for name in names(tmp_path)} <= {"", ".tmp"}
