"""The time to draw a graph, to write the stepper's page, and to step in a browser.

    python -m benchmarks.pictures draw {chain,WIDTHS} SIZE {embedded,dot}
    python -m benchmarks.pictures step {chain,WIDTHS} SIZE

A graph is a chain of SIZE values, or the hinge loss of MLP(2, WIDTHS), not fused, on SIZE points of
two moons. It is built before the clock starts, and its picture is the first of its process. Times
are elapsed times, as Graphviz and the browser are other processes. They include starting Graphviz,
but not importing `engine.draw` or starting the browser. The times of the page are

    opened    from the navigation until the page has loaded and its first picture is painted, in a
              browser that has opened the page before; the page unpacks its steps after that
    laid out  from a click until the layout of a step is computed
    painted   from a click at the start of a frame until the page's thread has finished the frame;
              waiting for the screen and other threads are not included
    changed   from a new number of a leaf until the layout with all new numbers is computed
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
from typing import Any

from benchmarks.engines import count_nodes
from benchmarks.moons import moons
from benchmarks.processes import Effort, Job, interleaved
from benchmarks.targets import verdict
from demos.shared.tables import format_table, pluralize
from demos.shared.timing import Stopwatch

DRAWN = (("1", "1"), ("4, 1", "4"), ("3, 1", "17"), ("16, 16, 1", "100"))
STEPPED = (("3, 1", "3"), ("chain", "100"), ("9, 1", "3"))
LAYOUTS = {"embedded": "graphviz-pure", "dot": "dot"}
SECONDS, KB, MS = 3, 300, 30  # the targets of the largest drawing, a page for 100 values, a step
OPENED_MS, CHANGED = 150, {100: 16, 250: 50}  # ms; of a change by the number of values
TIMES = ("median laid out", "slowest laid out", "median painted", "slowest painted")
# A message sent at the start of a frame arrives after the frame is painted.
STEPS = """async () => {
  const next = document.querySelector("[data-do=next]"), laidOut = [], painted = [];
  const step = (done) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel(), clicked = performance.now();
    next.click();
    document.body.offsetHeight;
    laidOut.push(performance.now() - clicked);
    port1.onmessage = () => done(painted.push(performance.now() - clicked));
    port2.postMessage(null);
  });
  while (next.ariaDisabled !== "true") await new Promise(step);
  return [Number(document.querySelector(".stepper").dataset.step), laidOut, painted];
}"""
CHANGES = """() => {
  const times = [];
  const isFree = (name) => { try { stepgrad.set(name, 1); return true; } catch { return false; } };
  const name = stepgrad.names().find(isFree);
  for (let i = 0; i < 40; i += 1) {
    const start = performance.now();
    stepgrad.set(name, Math.sin(i));
    document.body.offsetHeight;
    times.push(performance.now() - start);
  }
  return times;
}"""
OPENED = """async () => {
  const read = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  while (!read()) await new Promise((done) => setTimeout(done, 20));
  return Math.max(read(), performance.getEntriesByType("navigation")[0].duration);
}"""
OPENINGS = 6  # the first of which is left out


def graph(shape: str, size: int) -> tuple[Any, Any]:
    """Return a root after backward, and its model.

    >>> [count_nodes(graph(shape, int(size))[0]) for shape, size in STEPPED]
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


def time_drawing(shape: str, size: int, layout: str) -> dict[str, Any]:
    """Return the seconds until DOT is written, and until Graphviz has written SVG."""
    from engine.draw import draw
    from engine.draw.graph.svg import find_program
    from engine.draw.graph.view import build_view

    try:
        printed = subprocess.run(
            [find_program(layout), "-V"], capture_output=True, text=True, check=True
        )
    except RuntimeError as error:
        return {"missing": str(error)}
    version = re.findall(r"version (\S+)", printed.stderr)[:1]
    root, model = graph(shape, size)
    stopwatch = Stopwatch()
    picture = draw(root, model, layout=layout)
    times = {"dot": stopwatch.lap()}
    assert picture.svg  # computed at the first access
    times["svg"] = times["dot"] + stopwatch.lap()
    by = " ".join([LAYOUTS[layout], *version])
    return {
        **times,
        "by": by,
        "nodes": count_nodes(root),
        "drawn": len(build_view(root, model).drawn),
    }


def time_stepper(shape: str, size: int) -> dict[str, Any]:
    """Return the seconds to write a page, its kB, and the ms of its steps in a browser."""
    from engine.draw import step

    root, model = graph(shape, size)
    stopwatch = Stopwatch()
    stepper = step(root, model, level="values" if model is not None else None)
    page = stepper.html
    seconds, steps = stopwatch.lap(), len(stepper.frames) - 1
    figures: dict[str, Any] = {"values": count_nodes(root), "steps": steps, "s": seconds}
    figures["kB"] = len(page.encode()) / 1000
    if not find_spec("playwright"):
        return {**figures, "missing": "playwright is not installed: pip install -e '.[browser]'"}
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        return {**figures, "missing": "no chromium: apt install chromium"}
    playwright = import_module("playwright.sync_api").sync_playwright
    with tempfile.TemporaryDirectory() as folder, playwright() as driver:
        path = Path(folder, "steps.html")
        path.write_text(page, "utf-8")
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = driver.chromium.launch(executable_path=chromium, args=flags)
        tab = browser.new_page(viewport={"width": 1280, "height": 720})
        openings = []
        for _ in range(OPENINGS):
            tab.goto("about:blank")
            tab.goto(path.as_uri())
            openings.append(tab.evaluate(OPENED))
        figures["opened first"], figures["opened"] = openings[0], median(openings[1:])
        step_shown, laid_out, painted = tab.evaluate(STEPS)
        figures["changed"] = median(tab.evaluate(CHANGES))
        figures["browser"] = f"Chromium {browser.version}, headless, no GPU"
        browser.close()
    if not step_shown == len(laid_out) == steps:
        raise RuntimeError(f"after {steps} clicks the page must show that step, not {step_shown}")
    times = [float(f(series)) for series in (laid_out, painted) for f in (median, max)]
    return figures | dict(zip(TIMES, times, strict=True))


def table(effort: Effort) -> str:
    """Return a table of drawings, one of pages and their steps, and the targets."""
    rounds = (effort.rounds + 1) // 2
    jobs: list[Job] = [("pictures", "draw", *g, layout) for g in DRAWN for layout in LAYOUTS]
    results = interleaved([*jobs, *(("pictures", "step", *g) for g in STEPPED)], rounds)
    pages = [figures for figures in results.values() if "kB" in figures]
    browser = next((page["browser"] for page in pages if "browser" in page), "no browser")
    drawings = format_table(
        ["graph", "layout by", "nodes", "drawn", "to DOT", "to SVG", "target"],
        [row(job, figures) for job, figures in results.items() if job[1] == "draw"],
        "Drawing a graph: elapsed seconds until DOT is written, and until SVG is written\n"
        f"(medians of {pluralize(rounds, 'round')}; drawn: values, or boxes of modules)",
    )
    steps = format_table(
        [
            "graph",
            "values",
            "steps",
            "s",
            "kB",
            "laid out",
            "slowest",
            "painted",
            "slowest",
            "opened",
            "changed",
        ],
        [row(job, figures) for job, figures in results.items() if job[1] == "step"],
        "The stepper's page: elapsed seconds to write it; its size in kB; ms from a click until a\n"
        "step is laid out and until it is painted, the median and the slowest of all steps; ms to\n"
        "open it, and until a changed number and all that follow from it are laid out\n"
        f"({browser}; medians of {pluralize(rounds, 'round')})",
    )
    largest = max(page["kB"] for page in pages if page["values"] == 100)
    targets = [f"kB of a page for 100 values: {verdict(largest, KB, least=False)}"]
    targets += [
        f"ms of a step, {name}: {verdict(max(page[name] for page in pages), MS, least=False)}"
        for name in TIMES[:2]
        if all(name in page for page in pages)
    ]
    for page in pages:
        if "changed" in page:
            targets += [
                f"ms to {name} a page of {page['values']} values: "
                f"{verdict(page[figure], target, least=False)}"
                for name, figure, target in (
                    ("open", "opened", OPENED_MS), ("change", "changed", CHANGED[page["values"]])
                )
            ]  # fmt: skip
    return "\n".join([drawings, "", steps, *targets])


def row(job: Job, figures: dict[str, Any]) -> list[str]:
    """Return the cells of a drawing or a page."""
    _, task, shape, _, *layout = job
    cells = [shape if shape == "chain" else f"MLP(2, [{shape}])"]
    if task == "step":
        cells += [f"{figures['values']}", f"{figures['steps']}"]
        cells += [f"{figures['s']:.2f}", f"{figures['kB']:,.0f}"]
        times = [
            f"{figures[name]:.1f}" for name in (*TIMES, "opened", "changed") if name in figures
        ]
        return [*cells, *(times or [figures["missing"]])]
    if "missing" in figures:
        return [*cells, LAYOUTS[layout[0]], figures["missing"]]
    cells += [figures["by"], f"{figures['nodes']:,}", f"{figures['drawn']}"]
    has_target = figures["nodes"] > 60_000 and layout == ["embedded"]
    target = verdict(figures["svg"], SECONDS, least=False) if has_target else ""
    return [*cells, f"{figures['dot']:.3f}", f"{figures['svg']:.3f}", target]


if __name__ == "__main__":
    task, shape, size, *layout = sys.argv[1:]
    measure = time_drawing if task == "draw" else time_stepper
    print(json.dumps(measure(shape, int(size), *layout)))
