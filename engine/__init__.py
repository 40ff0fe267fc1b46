"""An automatic differentiation engine you can see through.

>>> from engine import Value
>>> x, y = Value(3.0, "x"), Value(2.0, "y")
>>> f = (x + y) * (x - y)
>>> f.backward()
>>> f.data, x.grad, y.grad
(5.0, 6.0, -4.0)
"""

from engine.anomaly import Anomaly
from engine.array import Array, ConstantArray
from engine.array_ops import ArrayOp
from engine.check import GradientMismatch, check_gradients
from engine.derivatives import grad, hessian, hvp, jacobian, jvp, vjp
from engine.explain import Explanation, Path, explain
from engine.functions import concatenate, dot, logsumexp, maximum, minimum, softmax, total, where
from engine.graph import Sent, Step, topological, walk
from engine.guard import detect_anomaly, no_grad
from engine.mistakes import Mistake, mistakes
from engine.ops import ManyOp, Op
from engine.origin import Origin, record_origins
from engine.remarks import GradientWarning
from engine.tape import BranchChanged, Tape, record_branches
from engine.value import Constant, Value

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
    "Path",
    "Sent",
    "Step",
    "Tape",
    "Value",
    "check_gradients",
    "concatenate",
    "detect_anomaly",
    "dot",
    "explain",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "logsumexp",
    "maximum",
    "minimum",
    "mistakes",
    "no_grad",
    "record_branches",
    "record_origins",
    "softmax",
    "topological",
    "total",
    "vjp",
    "walk",
    "where",
]
