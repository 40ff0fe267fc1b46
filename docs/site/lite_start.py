"""Startup code of a JupyterLite kernel: the first cell waits until Graphviz is loaded."""

# The worker's file is in lite/extensions/@jupyterlite/pyodide-kernel-extension/static.
GRAPHVIZ = "../../../../../playground/graphviz.mjs"


def start() -> None:
    """Replace the kernel's method `run` until the first cell runs."""
    import js  # type: ignore[import-not-found]
    from pyodide.code import run_js  # type: ignore[import-not-found]
    from pyodide_kernel.kernel import PyodideKernel  # type: ignore[import-not-found]

    address, run = js.URL.new(GRAPHVIZ, js.location.href).href, PyodideKernel.run

    async def run_first(self: PyodideKernel, code: str) -> object:
        from stepgrad.draw.graph.svg import use_graphviz  # type: ignore[import-untyped]

        PyodideKernel.run = run
        module = await run_js(f"import({address!r})")
        graphviz = await module.Graphviz.load()
        use_graphviz(lambda dot, form: graphviz.layout(dot, form, "dot"))
        return await run(self, code)

    PyodideKernel.run = run_first


if __name__ == "__main__":  # in the reader's namespace
    start()
    del start, GRAPHVIZ
