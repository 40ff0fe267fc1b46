"""Compress wheels again: `python -m docs.recompress dist/*.whl`. Requires zopflipy.

The compression of Zopfli is slow. It makes the wheel of a release 3 % smaller.
"""

import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile


def recompress(path: Path) -> None:
    """Replace a ZIP archive with one that contains the same files, compressed by Zopfli."""
    import zopfli  # an extra for packaging

    smaller = path.with_suffix(".smaller")
    with ZipFile(path) as old, zopfli.ZipFile(smaller, "w", ZIP_DEFLATED, iterations=1) as new:
        for file in old.infolist():
            new.writestr(file, old.read(file))
    smaller.replace(path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        recompress(Path(name))
