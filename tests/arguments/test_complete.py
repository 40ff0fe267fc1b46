"""Every public function and class that takes arguments has rows."""

import inspect
from importlib.util import find_spec
from types import ModuleType

import pytest

import engine
import engine.draw
import nn
from arguments.test_refused import ROWS
from engine.methods import Methods
from nn import augment, data, init, losses, metrics, optim, schedules, vector

RESULTS = "a result, which users do not construct"
EXCEPTIONS = {  # names without rows, with the reason
    "engine.Anomaly": "an exception", "engine.BranchChanged": "an exception",
    "engine.GradientMismatch": "an exception", "nn.CheckpointError": "an exception",
    "engine.Explanation": RESULTS, "engine.Path": RESULTS, "engine.Mistake": RESULTS,
    "engine.Origin": RESULTS, "engine.Outputs": RESULTS, "engine.Outputs.apply": RESULTS, "engine.Outputs.backward": RESULTS, "engine.Outputs.lift": RESULTS,
    "engine.Sent": RESULTS, "engine.Step": RESULTS,
    "engine.draw.Drawing": RESULTS, "engine.draw.Stepper": RESULTS, "nn.Checkpoint": RESULTS,
    "engine.draw.Stepper.to_view": "a title for other pages",
    "nn.Record": RESULTS, "nn.Training": RESULTS, "nn.Diagnosis": RESULTS,
    "nn.Sweep": RESULTS,
    "nn.Diagnosis.save": "matplotlib checks it", "engine.GradientWarning": "a warning",
    "nn.metrics.accuracy": "nn.accuracy", "nn.metrics.confusion_matrix": "nn.confusion_matrix",
}  # fmt: skip
REFUSED = "refused: a Table does not change"
EXCEPTIONS |= {f"engine.Table.{name}": REFUSED for name in dir(list) if name[0] != "_"}
EXCEPTIONS["engine.Table"] = "a list of any rows"
if not find_spec("numba"):
    EXCEPTIONS |= dict.fromkeys(["engine.Tape", "engine.jit"], "requires numba")
PROTOCOL = {"direction", "locals", "pull", "unflatten", "with_settings"}  # called by the engine


def takes_arguments(f, bound):
    try:
        parameters = list(inspect.signature(f).parameters)
    except (ValueError, TypeError):  # a function written in C
        return False
    return len(parameters) > bound


def name_in_clone(module):
    """Return the name that a module has in the rows."""
    name = module.__name__
    return name[9:] if name.startswith("stepgrad.nn") else name.replace("stepgrad", "engine", 1)


def public(module):
    """Return the public objects of a module by their full names."""
    module_name = name_in_clone(module)
    names = getattr(module, "__all__", None)
    if names is None:
        own = lambda x: getattr(x, "__module__", "") == module.__name__
        names = [
            name for name, x in vars(module).items() if name[0] != "_" and callable(x) and own(x)
        ]
    return {f"{module_name}.{name}": getattr(module, name) for name in names}


def methods(of, kind):
    """Yield the methods of a class that take arguments, and the class that defines each."""
    for name, f in inspect.getmembers(kind, callable):
        if name[0] == "_" or name in PROTOCOL:
            continue
        static = isinstance(inspect.getattr_static(kind, name), staticmethod)
        if takes_arguments(f, 0 if static else 1):
            owner = next(k for k in kind.__mro__ if name in vars(k))
            yield f"{of}.{name}", owner


MODULES = [engine, engine.draw, nn, vector, losses, optim, schedules, data, init, augment, metrics]
NAMES = {name: x for module in MODULES for name, x in public(module).items()}
NAMES = {name: x for name, x in NAMES.items() if not isinstance(x, ModuleType)}
CLASSES = {x: name for name, x in NAMES.items() if inspect.isclass(x)}
COVERED = {row.of for row in ROWS}
# Rows add methods of one input, two or several to nodes; one of each has rows of arguments.
ROW_METHODS = {name for name in vars(Methods) if name in engine.rules.ELEMENTWISE}


@pytest.mark.parametrize("name", NAMES)
def test_what_takes_arguments_has_rows(name):
    if name in EXCEPTIONS or not (callable(NAMES[name]) and takes_arguments(NAMES[name], 0)):
        return
    assert name in COVERED


def inherited(name, owner):
    """Return True if a method belongs to another public class that has rows for it."""
    method = name.rpartition(".")[2]
    return f"{CLASSES.get(owner, '?')}.{method}" in COVERED or any(
        f"{other}.{method}" in COVERED for kind, other in CLASSES.items() if issubclass(kind, owner)
    )


@pytest.mark.parametrize(
    "name", [name for name in CLASSES.values() if EXCEPTIONS.get(name) != "an exception"]
)
def test_methods_that_take_arguments_have_rows(name):
    missing = [
        method
        for method, owner in methods(name, NAMES[name])
        if owner.__module__.startswith("stepgrad")
        and not {method, name} & {"engine.Tape"} & {*EXCEPTIONS}
        and method not in {*COVERED, *EXCEPTIONS}
        and method.rpartition(".")[2] not in ROW_METHODS
        and not inherited(method, owner)
    ]
    assert not missing


def test_methods_of_each_arity_have_rows():
    assert {f"engine.Value.{name}" for name in ("maximum", "clip", "leaky_relu")} <= COVERED


def test_exceptions_are_still_needed():
    assert not COVERED & {*EXCEPTIONS}
