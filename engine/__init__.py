"""An automatic differentiation engine you can see through.

>>> from engine import Value
>>> x, y = Value(3.0, "x"), Value(2.0, "y")
>>> f = (x + y) * (x - y)
>>> f.backward()
>>> f.data, x.grad, y.grad
(5.0, 6.0, -4.0)
"""

from typing import TYPE_CHECKING

import stepgrad  # noqa: F401 # gives the clone's modules their installed names
from engine.functions import (
    dot,
    log_softmax,
    logaddexp,
    logsumexp,
    maximum,
    minimum,
    softmax,
    take,
    total,
    where,
    xlogy,
)
from engine.graph import Sent, Step, topological, walk
from engine.node import Absent, Node
from engine.rules import ELEMENTWISE, Op
from engine.sequences.many_op import ManyOp
from engine.sequences.vector_op import Outputs, VectorOp
from engine.support import lazy
from engine.support.other_names import ATTRIBUTES, FOR_NUMPY, FUNCTIONS, answer_keywords
from engine.value import Constant, Value
from engine.watch.gradient_warnings import GradientWarning

if TYPE_CHECKING:
    from engine.arrays.array import Array, ConstantArray
    from engine.arrays.functions import (
        concatenate,
        diag,
        einsum,
        expand_dims,
        flip,
        norm,
        outer,
        pad,
        roll,
        split,
        stack,
        tile,
        tril,
        triu,
    )
    from engine.arrays.rules import ArrayOp
    from engine.derivatives.check import GradientMismatch, check_gradients
    from engine.derivatives.of_functions import value_and_grad
    from engine.derivatives.transforms import grad, hessian, hvp, jacobian, jvp, vjp
    from engine.multigraph import to_networkx
    from engine.tape import Table, Tape, jit
    from engine.watch.anomaly import Anomaly, detect_anomaly
    from engine.watch.branches import BranchChanged, record_branches
    from engine.watch.no_grad import no_grad
    from engine.watch.origin import Origin, record_origins
    from engine.watch.paths import Explanation, Path, explain
    from engine.watch.wrong_passes import Mistake, mistakes

for _name in ATTRIBUTES:  # reading or assigning one raises an error that names the counterpart
    if _name not in FOR_NUMPY:
        setattr(Node, _name, Absent(_name))
for _kind, _name in ((Value, "backward"), (Node, "zero_grad")):
    setattr(_kind, _name, answer_keywords(getattr(_kind, _name)))

__version__ = "0.1.0"
__all__ = [
    "Anomaly",
    "Array",
    "ArrayOp",
    "BranchChanged",
    "Constant",
    "ConstantArray",
    "Explanation",
    "GradientMismatch",
    "GradientWarning",
    "ManyOp",
    "Mistake",
    "Op",
    "Origin",
    "Outputs",
    "Path",
    "Sent",
    "Step",
    "Table",
    "Tape",
    "Value",
    "VectorOp",
    "check_gradients",
    "concatenate",
    "detect_anomaly",
    "diag",
    "dot",
    "einsum",
    "expand_dims",
    "explain",
    "flip",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "latex",
    "log_softmax",
    "logaddexp",
    "logsumexp",
    "maximum",
    "minimum",
    "mistakes",
    "no_grad",
    "norm",
    "outer",
    "pad",
    "record_branches",
    "record_origins",
    "roll",
    "softmax",
    "split",
    "stack",
    "take",
    "tile",
    "to_networkx",
    "topological",
    "total",
    "tril",
    "triu",
    "value_and_grad",
    "vjp",
    "walk",
    "where",
    "xlogy",
]

# Loaded on first use: scalars need neither these nor NumPy. No function shares the name of a module
# in this folder, because importing the module would hide the function.
LAZY = {
    "arrays.array": ["Array", "ConstantArray"],
    "arrays.functions": [
        "concatenate",
        "diag",
        "einsum",
        "expand_dims",
        "flip",
        "norm",
        "outer",
        "pad",
        "roll",
        "split",
        "stack",
        "tile",
        "tril",
        "triu",
    ],
    "arrays.rules": ["ArrayOp"],
    "derivatives.check": ["GradientMismatch", "check_gradients"],
    "derivatives.of_functions": ["value_and_grad"],
    "derivatives.transforms": ["grad", "hessian", "hvp", "jacobian", "jvp", "vjp"],
    "multigraph": ["to_networkx"],
    "tape": ["Table", "Tape", "jit"],
    "watch.anomaly": ["Anomaly", "detect_anomaly"],
    "watch.branches": ["BranchChanged", "record_branches"],
    "watch.no_grad": ["no_grad"],
    "watch.origin": ["Origin", "record_origins"],
    "watch.paths": ["Explanation", "Path", "explain"],
    "watch.wrong_passes": ["Mistake", "mistakes"],
    "draw": ["draw"],
    "draw.formulas.latex": ["latex"],
    "nn": ["nn"],
}
METHODS = {row: f"write x.{row}()" for row in ELEMENTWISE if row not in __all__}
__getattr__ = lazy.attributes(globals(), LAZY, {**METHODS, **FUNCTIONS})
if not lazy.is_installed("numpy"):  # `from engine import *` works without NumPy, too
    for _file in ("arrays.array", "arrays.functions", "arrays.rules", "tape"):
        for _name in LAZY[_file]:
            __all__.remove(_name)


def __dir__() -> list[str]:
    return [*__all__, "draw", "nn"]
