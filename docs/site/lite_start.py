"""Runs when a kernel of JupyterLite starts: the first cell waits for Graphviz, as WebAssembly."""

import js  # type: ignore[import-not-found]
from pyodide.code import run_js  # type: ignore[import-not-found]
from pyodide_kernel.kernel import PyodideKernel  # type: ignore[import-not-found]

# The worker's file is in lite/extensions/@jupyterlite/pyodide-kernel-extension/static.
GRAPHVIZ = js.URL.new("../../../../../playground/graphviz.mjs", js.location.href).href
run = PyodideKernel.run


async def run_first(self: PyodideKernel, code: str) -> object:
    from stepgrad.draw.graph.svg import use_graphviz  # type: ignore[import-untyped]

    PyodideKernel.run = run
    module = await run_js(f"import({GRAPHVIZ!r})")
    graphviz = await module.Graphviz.load()
    use_graphviz(lambda dot, form: graphviz.layout(dot, form, "dot"))
    return await run(self, code)


PyodideKernel.run = run_first
