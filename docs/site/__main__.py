"""`python -m docs.site` writes the site into out/site: a folder of static files for any server.

`python -m docs.site serve` shows it at an address of this machine. Needs the extra `site`, and npm
and node.
"""

import sys
from pathlib import Path

from docs.site.build import build_site
from docs.site.serve import serve

OUT = Path("out/site")


def main() -> None:
    if sys.argv[1:] == ["serve"]:
        serve(OUT)
    elif sys.argv[1:]:
        sys.exit("usage: python -m docs.site [serve]")
    else:
        build_site(OUT)


if __name__ == "__main__":
    main()
