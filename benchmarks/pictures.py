"""What pictures take: to draw a graph, to make the stepper's page, to step in a browser.

    python -m benchmarks.pictures draw {chain,WIDTHS} SIZE {embedded,dot}
    python -m benchmarks.pictures step {chain,WIDTHS} SIZE

A graph is a chain of SIZE values, or the hinge loss of MLP(2, WIDTHS) on SIZE points of two moons,
node for node, with its model. It is built before the clock starts, and its picture is the first of
its process. Time is the clock's, for Graphviz and the browser are processes of their own; starting
Graphviz is in it, importing `engine.draw` and starting the browser are not. A step of the page is

    laid out  when the script that clicks has had the page laid out
    painted   when the page's thread has handed the frame on: the click comes as a frame begins, so
              that no waiting for the screen is in it; what other threads do with it is not either
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.engines import count
from benchmarks.layout import aligned, verdict
from benchmarks.moons import moons
from benchmarks.processes import Effort, Job, interleaved

DRAWN = (("1", "1"), ("4, 1", "4"), ("3, 1", "17"), ("16, 16, 1", "100"))
STEPPED = (("3, 1", "3"), ("chain", "100"), ("9, 1", "3"))
LAYOUTS = {"embedded": "graphviz-pure", "dot": "dot"}
SECONDS, KB, MS = 3, 1000, 30  # of the largest drawing, of a page for 100 values, of a step
TIMES = ("median laid out", "slowest laid out", "median painted", "slowest painted")
# A message that is sent as a frame begins arrives when it has been painted.
STEPS = """async () => {
  const next = document.querySelector("[data-do=next]"), laid = [], painted = [];
  const step = (done) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel(), clicked = performance.now();
    next.click();
    document.body.offsetHeight;
    laid.push(performance.now() - clicked);
    port1.onmessage = () => done(painted.push(performance.now() - clicked));
    port2.postMessage(null);
  });
  while (next.ariaDisabled !== "true") await new Promise(step);
  return [Number(document.querySelector(".stepper").dataset.step), laid, painted];
}"""


def graph(shape: str, size: int) -> tuple[Any, Any]:
    """A root that has its gradients, and its model.

    >>> [count(graph(shape, int(size))[0]) for shape, size in STEPPED]
    [100, 100, 250]
    """
    from engine import Value
    from nn import MLP, losses

    model, x = None, Value(0.5, "x")
    root = x
    if shape == "chain":
        for i in range(size - 1):
            root = root.tanh() if i % 2 else root * x
    else:
        X, y = moons()
        model = MLP(2, map(int, shape.split(",")), rng=0, fused=False)
        root = losses.hinge([model(x) for x in X[:size]], y[:size])
    root.backward()
    return root, model


def drawing(shape: str, size: int, layout: str) -> dict[str, Any]:
    """Seconds until DOT is written, and until Graphviz has made SVG of it."""
    from engine.draw import draw
    from engine.draw.svg import find_program
    from engine.draw.view import build_view

    try:
        command = [find_program(layout), "-V"]
        asked = subprocess.run(command, capture_output=True, text=True, check=True)
    except RuntimeError as error:
        return {"missing": str(error)}
    by = " ".join([LAYOUTS[layout], *re.findall(r"version (\S+)", asked.stderr)[:1]])
    root, model = graph(shape, size)
    begin = perf_counter()
    picture = draw(root, model, layout=layout)
    times = {"dot": perf_counter() - begin}
    assert picture.svg  # is made now
    times["svg"] = perf_counter() - begin
    return {**times, "by": by, "nodes": count(root), "drawn": len(build_view(root, model).drawn)}


def stepping(shape: str, size: int) -> dict[str, Any]:
    """Seconds to make a page, its kB; ms of its steps, or what to install for them."""
    from engine.draw import step

    root, model = graph(shape, size)
    begin = perf_counter()
    stepper = step(root, model)
    page = stepper.html
    seconds, steps = perf_counter() - begin, len(stepper.frames) - 1
    made: dict[str, Any] = {"values": count(root), "steps": steps, "s": seconds}
    made["kB"] = len(page.encode()) / 1000
    if not find_spec("playwright"):
        return {**made, "missing": "playwright is not installed: pip install -e '.[browser]'"}
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        return {**made, "missing": "no chromium: apt install chromium"}
    playwright = import_module("playwright.sync_api").sync_playwright
    with tempfile.TemporaryDirectory() as folder, playwright() as started:
        path = Path(folder, "steps.html")
        path.write_text(page, "utf-8")
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = started.chromium.launch(executable_path=chromium, args=flags)
        shown = browser.new_page(viewport={"width": 1280, "height": 720})
        shown.goto(path.as_uri())
        at, laid, painted = shown.evaluate(STEPS)
        made["browser"] = f"Chromium {browser.version}, headless, no GPU"
        browser.close()
    if not at == len(laid) == steps:
        raise RuntimeError(f"the page must be at step {steps} after as many clicks, is at {at}")
    times = [float(find(each)) for each in (laid, painted) for find in (median, max)]
    return made | dict(zip(TIMES, times, strict=True))


def table(effort: Effort) -> str:
    """Drawings; pages and their steps."""
    rounds = (effort.rounds + 1) // 2
    jobs: list[Job] = [("pictures", "draw", *g, layout) for g in DRAWN for layout in LAYOUTS]
    found = interleaved([*jobs, *(("pictures", "step", *g) for g in STEPPED)], rounds)
    pages = [each for each in found.values() if "kB" in each]
    browser = next((page["browser"] for page in pages if "browser" in page), "no browser")
    drawings = aligned(
        "Drawing a graph: seconds on the clock until DOT is written, and until there is SVG\n"
        f"(medians, number of rounds: {rounds}; drawn: values, or boxes of modules)",
        ["graph", "layout by", "nodes", "drawn", "to DOT", "to SVG", "target"],
        [row(job, figures) for job, figures in found.items() if job[1] == "draw"],
    )
    steps = aligned(
        "The stepper's page: seconds on the clock to make it; kB; ms from a click until the step\n"
        "is laid out, and until it is painted: the median, and the slowest of all steps\n"
        f"({browser}; medians, number of rounds: {rounds})",
        ["graph", "values", "steps", "s", "kB", "laid out", "slowest", "painted", "slowest"],
        [row(job, figures) for job, figures in found.items() if job[1] == "step"],
    )
    largest = max(page["kB"] for page in pages if page["values"] == 100)
    judged = [f"kB of a page for 100 values: {verdict(largest, KB, least=False)}"]
    judged += [
        f"ms of a step, {each}: {verdict(max(page[each] for page in pages), MS, least=False)}"
        for each in TIMES[:2]
        if all(each in page for page in pages)
    ]
    return "\n".join([drawings, "", steps, *judged])


def row(job: Job, found: dict[str, Any]) -> list[str]:
    _, what, shape, _, *layout = job
    cells = [shape if shape == "chain" else f"MLP(2, [{shape}])"]
    if what == "step":
        cells += [f"{found['values']}", f"{found['steps']}"]
        cells += [f"{found['s']:.2f}", f"{found['kB']:,.0f}"]
        times = [f"{found[each]:.1f}" for each in TIMES if each in found]
        return [*cells, *(times or [found["missing"]])]
    if "missing" in found:
        return [*cells, LAYOUTS[layout[0]], found["missing"]]
    cells += [found["by"], f"{found['nodes']:,}", f"{found['drawn']}"]
    judged = found["nodes"] > 60_000 and layout == ["embedded"]
    target = verdict(found["svg"], SECONDS, least=False) if judged else ""
    return [*cells, f"{found['dot']:.3f}", f"{found['svg']:.3f}", target]


if __name__ == "__main__":
    what, shape, size, *layout = sys.argv[1:]
    figures = drawing(shape, int(size), *layout) if what == "draw" else stepping(shape, int(size))
    print(json.dumps(figures))
