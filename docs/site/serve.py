"""A server of static files, for this machine only."""

import sys
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Handler(SimpleHTTPRequestHandler):
    """Sends files with the types that browsers require of modules and WebAssembly."""

    extensions_map = {  # noqa: RUF012 # as in the base class
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def copyfile(self, source: Any, outputfile: Any) -> None:
        with suppress(ConnectionError):  # of a browser that has left the page
            super().copyfile(source, outputfile)

    def log_message(self, *args: Any) -> None:
        pass


def make_server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of a folder on the loopback interface, at a free port by default."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(folder)))


def serve(folder: Path) -> None:
    """Serve a folder until interrupted. Exits with a message if the site does not exist."""
    if not (folder / "index.html").exists():
        sys.exit(f"{folder} has no site; run make site")
    server = make_server(folder)
    print(f"http://127.0.0.1:{server.server_address[1]}/ shows {folder}; Ctrl+C stops", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
