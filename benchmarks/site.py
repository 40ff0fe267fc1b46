"""The playground of the site: bytes to load, CPU time until Python is ready, time of a redraw.

    python -m benchmarks.site

Serves the playground of out/site, which `make site` builds, on loopback to Chromium. Each round has
a browser of its own, with an empty cache. CPU times are those of all processes of the browser, of
which a part is its own start, subtracted as the time of an empty page. A redraw is the time from
the click that runs changed code until the new page is shown; a part of it is the time in Python,
with the layout. The CPU time of a redraw is that of all processes, also of compiling in the
background. The first redraws are slower, because the browser compiles WebAssembly in two stages.
Only a number of the code changes, so the new page has the same scripts and reuses the frame. The
first redraw of another kind of page, such as that of a network, takes longer.
"""

import gzip
import shutil
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.targets import verdict
from demos.shared.tables import format_table
from docs.site.serve import make_server

SITE = Path("out/site")
ROUNDS = 5
PARTS = {"first 10": range(10), "next 20": range(10, 30), "last 30": range(30, 60)}
READY_SECONDS, REDRAW_MS = 4, 60  # the targets
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FIRST = (  # the files that are loaded before the first run
    "index.html", "playground.js", "frame.html", "examples/expression.json", "worker.mjs",
    "python.mjs", "graphviz.mjs", "snapshot.bin", "pyodide/pyodide.mjs", "pyodide/pyodide.asm.mjs",
    "pyodide/pyodide.asm.wasm", "pyodide/pyodide-lock.json",
)  # fmt: skip
CODE = 'x1, w1, b = Value(2.0, "x1"), Value({}, "w1"), Value(1.0, "b")\nout = (x1 * w1 + b).tanh()'
REDRAW = """async (code) => {
  const root = document.documentElement, before = root.dataset.pages;
  document.getElementById("code").value = code;
  const start = performance.now();
  document.getElementById("run").click();
  const isLate = () => performance.now() > start + 10000;
  const wait = (done) => setTimeout(done, 1);
  while (root.dataset.pages === before && !isLate()) await new Promise(wait);
  return [performance.now() - start, Number(root.dataset.ms)];
}"""


def measure(address: str) -> dict[str, Any]:
    """Return the seconds of a start, and the milliseconds of redraws, in a new browser."""
    playwright = import_module("playwright.sync_api").sync_playwright
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=FLAGS)
        session, tab = browser.new_browser_cdp_session(), browser.new_page()
        tab.goto(f"{address}playground/frame.html")
        time.sleep(0.5)
        idle, start = cpu_seconds(session), time.perf_counter()
        tab.goto(f"{address}playground/index.html")
        tab.wait_for_selector("html[data-pages]")
        picture = time.perf_counter() - start
        tab.wait_for_selector("html[data-ready]")
        ready = time.perf_counter() - start
        cpu = cpu_seconds(session) - idle
        tab.wait_for_selector("html[data-ms]")
        redraws = {}
        for name, part in PARTS.items():
            start = cpu_seconds(session)
            times = [tab.evaluate(REDRAW, CODE.format(i / 7)) for i in part]
            shown, python = zip(*times, strict=True)
            redraws[name] = (
                median(shown),
                min(shown),
                median(python),
                1e3 * (cpu_seconds(session) - start) / len(part),
            )
        version = browser.version
        browser.close()
    return {"picture": picture, "ready": ready, "cpu": cpu, "redraws": redraws, "browser": version}


def cpu_seconds(session: Any) -> float:
    """Return the CPU time of all processes of a browser."""
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    return float(sum(process["cpuTime"] for process in processes))


def count_bytes(folder: Path) -> tuple[int, int]:
    """Return the bytes of the files of the first run, as they are and compressed by gzip.

    The snapshot is compressed already.
    """
    data = [(folder / name).read_bytes() for name in FIRST]
    packed = [min(len(x), len(gzip.compress(x, 9))) for x in data]
    return sum(map(len, data)), sum(packed)


def table() -> str:
    """Return a table of the start and of redraws, and the targets."""
    size, packed = count_bytes(SITE / "playground")
    server = make_server(SITE)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rounds = [measure(f"http://127.0.0.1:{server.server_address[1]}/") for _ in range(ROUNDS)]
    server.shutdown()
    middle = {name: median(x[name] for x in rounds) for name in ("picture", "ready", "cpu")}
    rows = [["picture", f"{middle['picture']:.2f} s", "", "", ""]]
    rows += [["Python ready", f"{middle['ready']:.2f} s", "", "", f"{middle['cpu']:.2f} s"]]
    for name in PARTS:
        redraw = [median(x["redraws"][name][i] for x in rounds) for i in range(4)]
        rows += [[f"redraw, {name}", *(f"{x:.0f} ms" for x in redraw)]]
    text = format_table(
        ["", "elapsed", "fastest", "in Python", "CPU"],
        rows,
        f"The playground: {size / 1e6:.1f} MB of files, {packed / 1e6:.1f} MB compressed\n"
        f"(Chromium {rounds[0]['browser']}, medians of {ROUNDS} rounds, each with an empty cache)",
    )
    ready = verdict(middle["cpu"], READY_SECONDS, least=False)
    shown = verdict(redraw[0], REDRAW_MS, least=False)
    return f"{text}\ns of CPU until Python is ready: {ready}\nms of a redraw: {shown}"


if __name__ == "__main__":
    if not (SITE / "playground" / "snapshot.bin").exists():
        sys.exit("out/site has no playground; run make site")
    print(table())
