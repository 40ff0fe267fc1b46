"""The Python side of the playground: run the reader's code, and make the page of its result.

The last line is the result: an expression, or a variable that it assigns. A result without a page,
such as a number, is printed, and the Value that was assigned last is shown. If the code is a single
expression or assignment, names without a value become inputs. This module runs in Pyodide, in a
worker, and for tests in any Python.
"""

import ast
import builtins
import importlib.machinery
import io
import linecache
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

from stepgrad.draw.graph.svg import use_graphviz  # type: ignore[import-untyped]
from stepgrad.node import Node  # type: ignore[import-untyped]

import stepgrad
from stepgrad import Value, nn, record_origins
from stepgrad.draw import draw, step
from stepgrad.nn import Module

FILE = "playground.py"
PRINTED = 10_000  # characters
DRAWN = {"draw": draw, "step": step, "nn": nn}
# Without NumPy, __all__ lacks the names that require it.
PUBLIC = {*dir(stepgrad), *(x for names in vars(stepgrad)["LAZY"].values() for x in names)}
LOOPS = ast.For | ast.While | ast.AsyncFor
MODULES = ("math", "np", "torch")  # names of modules, which are not inputs
PACKAGES = {"engine": "stepgrad", "micrograd": "stepgrad or stepgrad.nn", "nn": "stepgrad.nn"}


class Problem(Exception):
    """A result that cannot be shown: a message, and the line of the result."""

    def __init__(self, message: str, line: int):
        super().__init__(message)
        self.line = line


class Outcome(NamedTuple):
    """The outcome of a run.

    html    the page of the result; "" after an error
    shown   a text that names the result
    printed what the code printed
    notes   warnings: a line number, or 0, and a text
    error   the message of an error; "" if there was none
    line    its line, or 0
    """

    html: str = ""
    shown: str = ""
    printed: str = ""
    notes: tuple[tuple[int, str], ...] = ()
    error: str = ""
    line: int = 0


class Output(io.StringIO):
    """Printed text, of which the first `PRINTED` characters are kept."""

    room = PRINTED

    def write(self, text: str) -> int:
        if 0 <= self.room < len(text):
            super().write(f"{text[: self.room]}\n… the rest is left out")
        elif self.room >= 0:
            super().write(text)
        self.room -= len(text)
        return len(text)


def run(code: str) -> Outcome:
    """Run code and return its outcome. It raises no error.

    >>> outcome = run("x * 3.0")
    >>> outcome.shown, outcome.html[:15], outcome.error
    ('x * 3.0 = 3', '<!doctype html>', '')
    >>> run("x = 1.0\\nx / 0")[-2:]
    ('ZeroDivisionError: float division by zero', 2)
    """
    output = Output()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        warnings.simplefilter("ignore", ResourceWarning)  # of files that are not closed
        with redirect_stdout(output), redirect_stderr(output):
            try:
                html, shown = compute(code)
                outcome = Outcome(html, shown)
            except BaseException as error:  # also SystemExit
                outcome = Outcome(error=describe(error), line=find_line(error))
    notes = tuple((w.lineno if w.filename == FILE else 0, str(w.message)) for w in caught)
    return outcome._replace(printed=output.getvalue(), notes=notes)


def connect(layout: Callable[[str, str], str], unpack: Callable[[], object]) -> None:
    """Compute layouts by a function, and call another before the first import of a missing module.

    Both are functions in the worker. `unpack` adds all files of the package to sys.path.
    """

    def lay_out(dot: str, form: str) -> str:
        try:
            return layout(dot, form)
        except Exception as error:  # of JavaScript
            raise RuntimeError(f"Graphviz failed: {error}") from None

    use_graphviz(lay_out)
    sys.stdin = io.StringIO()  # input() raises EOFError
    sys.meta_path.append(Missing(unpack))


class Missing:
    """Finds modules of the package that were not imported before its memory was saved."""

    def __init__(self, unpack: Callable[[], object]):
        self.unpack: Callable[[], object] | None = unpack

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if not name.startswith("stepgrad.") or self.unpack is None:
            return None
        self.unpack()
        self.unpack = None
        importlib.invalidate_caches()
        return importlib.machinery.PathFinder.find_spec(name, path)


def compute(code: str) -> tuple[str, str]:
    """Return the page of the code's result, and a text that names the result."""
    code = remove_prompts(code)
    tree = ast.parse(code, FILE)
    if not tree.body:
        raise Problem("Write an expression, such as (x + y) * (x - y).", 0)
    linecache.cache[FILE] = (len(code), None, code.splitlines(keepends=True), FILE)
    namespace = make_namespace(tree)
    *body, last = tree.body
    name = find_target(last)
    if isinstance(last, ast.Expr):
        name = ast.unparse(last.value)
    else:
        body.append(last)
    # Recording is slow, and the nodes of a loop share their lines.
    has_loop = any(isinstance(node, LOOPS) for node in ast.walk(tree))
    with nullcontext() if has_loop else record_origins():
        exec(compile(ast.Module(body, []), FILE, "exec"), namespace)
        if isinstance(last, ast.Expr):
            result = eval(compile(ast.Expression(last.value), FILE, "eval"), namespace)
        else:
            result = namespace.get(name or "")
    page, text = make_page(result, name or "", namespace)
    if not page and not is_several(result) and (name := find_last_value(tree, namespace)):
        if isinstance(last, ast.Expr) and result is not None:
            print(result)
        result = namespace[name]
        page, text = make_page(result, name, namespace)
    namespace[""] = result
    del result
    release(namespace)
    if not page:
        raise Problem(text, last.lineno)
    return page, text


def release(namespace: dict[str, Any]) -> None:
    """Delete the variables, and their graphs node by node, from the results to the inputs.

    Freed at once, a graph of a thousand nodes in a row would exceed the stack of a browser.
    """
    nodes = collect_nodes(namespace)
    namespace.clear()
    while nodes:
        nodes.popitem()


def collect_nodes(namespace: dict[str, Any]) -> dict[Node, None]:
    """Return all nodes of the graphs of some variables, each after its inputs."""
    nodes: dict[Node, None] = {}
    for value in namespace.values():
        for root in value if isinstance(value, list | tuple) else [value]:
            if isinstance(root, Node) and root not in nodes:
                nodes |= dict.fromkeys(stepgrad.topological(root))
    return nodes


def make_namespace(tree: ast.Module) -> dict[str, Any]:
    """Return the variables that exist when the code starts.

    They are the public names of stepgrad that occur in it, and the inputs of a single statement.
    Raises Problem for a name that requires NumPy, if it is not installed.
    """
    lines = {node.id: node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name)}
    namespace: dict[str, Any] = {"__name__": "__main__", "__file__": FILE}
    for name, line in lines.items():
        try:
            if name in DRAWN:
                namespace[name] = DRAWN[name]
            elif name in PUBLIC:
                namespace[name] = getattr(stepgrad, name)
        except ImportError as error:
            raise Problem(str(error), line) from None
    if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr | ast.Assign):
        bound = {*namespace, *dir(builtins), *find_bound(tree)}
        inputs = [name for name in lines if name not in bound]
        namespace |= {name: Value(i + 1.0, name) for i, name in enumerate(inputs)}
    return namespace


def find_bound(tree: ast.AST) -> Iterator[str]:
    """Yield the names that are not inputs: variables, arguments of lambdas, functions, modules."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield from {node.value.id}.intersection(MODULES)


def find_target(statement: ast.stmt) -> str | None:
    """Return the name to which a statement assigns; None if it is not one name."""
    if isinstance(statement, ast.Assign):
        target: ast.expr = statement.targets[-1]
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        target = statement.target
    else:
        return None
    return target.id if isinstance(target, ast.Name) else None


def find_last_value(tree: ast.Module, namespace: dict[str, Any]) -> str | None:
    """Return the last variable in the code that is a Value or a network; None if none is."""
    names = [x for x in ast.walk(tree) if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store)]
    names.sort(key=lambda x: (x.lineno, x.col_offset), reverse=True)
    return next((x.id for x in names if isinstance(namespace.get(x.id), Node | Module)), None)


def is_several(result: Any) -> bool:
    """Return whether a result is several Values."""
    return isinstance(result, list | tuple) and any(isinstance(x, Node) for x in result)


def make_page(result: Any, name: str, namespace: dict[str, Any]) -> tuple[str, str]:
    """Return the page of a result, and a text that names it.

    A Value is stepped through, and a network drawn. For other objects without a page, the page is
    "", and the text says what to write.
    """
    while isinstance(result, list | tuple) and len(result) == 1:
        (result,) = result
    if isinstance(result, Node):
        text = f"{name} = {result.data:.6g}" if isinstance(result.data, float) else name
        return step(result, find_model(result, namespace)).html, text
    if isinstance(result, Module):
        return draw(result).html, name
    html = getattr(result, "html", None)
    if isinstance(html, str):
        return html, name
    if is_several(result):
        text = f"The last line gives {len(result)} results, and a page shows one."
        return "", f"{text} End with one of them, or with their total([...])."
    text = repr(result)
    text = f"{type(result).__name__}, {text if len(text) < 80 else text[:77] + '...'}"
    text = "no result" if result is None else text
    return "", f"The last line gives {text}. End with the name of a Value, such as loss."


def find_model(root: Node, namespace: dict[str, Any]) -> Module | None:
    """Return the only module among the variables that has parameters in the graph of `root`."""
    modules = {id(x): x for x in namespace.values() if isinstance(x, Module)}.values()
    if not modules:
        return None
    nodes = {*stepgrad.topological(root)}
    used = [x for x in modules if any(p in nodes for p in x.parameters())]
    return used[0] if len(used) == 1 else None


def describe(error: BaseException) -> str:
    """Return the message of an error, with its type unless it is a Problem, and advice."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    text = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, Problem):
        text = str(error)
    text = text.replace("which is not installed: pip install numpy", "which the playground lacks")
    return f"{text}{advise(error, text)}"


def advise(error: BaseException, text: str) -> str:
    """Return advice for code that was not written for the playground; "" for other errors."""
    if isinstance(error, EOFError):
        return ". The playground has no input: assign the text to a variable."
    if isinstance(error, ModuleNotFoundError):
        package = PACKAGES.get((error.name or "").partition(".")[0])
        instead = f" Import from {package} instead." if package else ""
        return f". The playground has stepgrad and the standard library of Python.{instead}"
    if not isinstance(error, NameError) or not text.endswith("is not defined"):
        return ""
    if error.name and error.name not in MODULES:
        if callable(getattr(Value, error.name, None)):
            return f". Functions are methods: x.{error.name}()."
        return f'. Define it first: {error.name} = Value(2.0, "{error.name}").'
    return ""


def remove_prompts(code: str) -> str:
    """Return an example of the reference without prompts and outputs. Lines keep their numbers.

    >>> remove_prompts(">>> x = Value(1.0)\\n>>> x.data\\n1.0")
    'x = Value(1.0)\\nx.data\\n'
    """
    if not code.lstrip().startswith(">>> "):
        return code
    lines = map(str.strip, code.split("\n"))
    return "\n".join(x[4:] if x.startswith((">>>", "...")) else "" for x in lines)


def find_line(error: BaseException) -> int:
    """Return the innermost line of the reader's code that raised an error; 0 if none did."""
    if isinstance(error, Problem):
        return error.line
    if isinstance(error, SyntaxError) and error.filename == FILE:
        return error.lineno or 0
    lines = [
        line for frame, line in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == FILE
    ]  # fmt: skip
    return lines[-1] if lines else 0
