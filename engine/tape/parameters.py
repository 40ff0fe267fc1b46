"""`Parameters`, the Array of all parameters of a function under `jit` or of a tape.

It shares its gradient with its Values, without copying it in each step. A backward pass writes to
the Array and adds it to `PENDING`; the Values receive their gradients when the gradient of one of
them is read or assigned. When the gradient of a Value is assigned, or computed in a graph of
Values, `CHANGED[0]` is replaced; the Array reads the gradients of its Values before its own is
used. At any time, therefore, either the Array or its Values may be outdated, but not both.
"""

import threading
from collections.abc import Sequence
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from engine.arrays.array import Array
from engine.graph import CHANGED, PENDING
from engine.value import Value

array_grad: Any = Array.grad
LOCK = threading.RLock()  # of all exchanges, because Arrays may share Values
INSTANCES: "dict[int, ref[Parameters]]" = {}  # by id


class Parameters(Array):
    """An Array that holds the numbers of Values, and shares its gradient with them.

    Attributes:
        _stands_for: The Values.
        _members: The same Values as a set.
        _gradients: Their gradients when they were last exchanged, as objects.
        _token: `CHANGED[0]` at that time.
        _fresh: The same, or False if other Arrays share Values and must deliver theirs first.
        _sharing: Other Arrays of parameters that have Values in common with this one.
        _is_new: Whether the gradient was assigned since the last exchange, not only added to.
    """

    __slots__ = ("_fresh", "_gradients", "_is_new", "_members", "_sharing", "_stands_for", "_token")
    _sharing: "list[ref[Parameters]]"

    def __init__(self, data: ArrayLike, values: Sequence[Value], *, dtype: DTypeLike):
        self._stands_for, self._is_new, self._sharing = tuple(values), False, []
        super().__init__(data, "flat", dtype=dtype)
        self.find_sharing()
        self.remember()
        INSTANCES[id(self)] = ref(self)

    def get_grad(self) -> np.ndarray:
        if self._fresh is not CHANGED[0]:
            self.collect()
        grad = self._grad
        return np.zeros_like(self._data) if grad is None else grad

    def set_grad(self, grad: ArrayLike) -> None:
        if self._fresh is not CHANGED[0]:
            self.collect()
        if type(grad) is float and grad == 0.0:  # as in each step
            self._grad = self._dx = None
        else:
            array_grad.fset(self, grad)
        self._is_new = True
        if id(self) not in PENDING:
            PENDING[id(self)] = ref(self)

    grad = property(get_grad, set_grad, doc=array_grad.__doc__)

    def _receive(self, contribution: np.ndarray) -> None:
        if self._fresh is not CHANGED[0]:
            self.collect()
        super()._receive(contribution)
        if id(self) not in PENDING:
            PENDING[id(self)] = ref(self)

    def collect(self) -> None:
        """Read the gradients of the Values that have changed."""
        with LOCK:
            for reference in self._sharing:
                if (other := reference()) is not None:
                    other.deliver()
            if self._token is CHANGED[0]:
                return
            before = self._gradients
            self.remember()
            pairs = enumerate(zip(self._gradients, before, strict=True))
            if changed := [i for i, (now, then) in pairs if now is not then]:
                self._grad = array_grad.fget(self).copy()
                self._grad[changed] = [self._gradients[i] for i in changed]
                self._dx = None  # as after an assignment

    def remember(self) -> None:
        """Remember the current gradients of the Values."""
        if CHANGED[0] is None:
            CHANGED[0] = object()
        self._token, self._gradients = CHANGED[0], [x._grad for x in self._stands_for]
        self._fresh = False if self._sharing else self._token

    def deliver(self) -> None:
        """Give the Values their gradients, if a pass or an assignment has changed them."""
        with LOCK:
            if PENDING.pop(id(self), None) is None:
                return
            gradient, values = self._grad, self._stands_for
            self._gradients = [0.0] * len(values) if gradient is None else gradient.tolist()
            for x, number in zip(values, self._gradients, strict=True):
                x._grad = number
            if self._is_new:
                self._is_new = False
                for x in values:
                    if not x.constant:
                        x._dx = None  # as after an assignment
            if self._sharing:
                CHANGED[0] = None

    def append(self, xs: Sequence[Value]) -> None:
        """Append Values, with their numbers and gradients.

        The Array stays the same node, because results of earlier calls refer to it.
        """
        with LOCK:
            gradients = [*self.grad, *[x.grad for x in xs]]
            self.deliver()
            self._stands_for = *self._stands_for, *xs
            self._data = np.array([*self._data, *[x._data for x in xs]], self._data.dtype)
            self._grad = np.array(gradients, self._data.dtype) if any(gradients) else None
            self.find_sharing()
            self.remember()

    def find_sharing(self) -> None:
        """Find the other Arrays that have Values in common with this one."""
        self._members = frozenset(self._stands_for)
        for reference in [*INSTANCES.values()]:
            other = reference()
            if other is None or other is self or self._members.isdisjoint(other._members):
                continue
            if not any(known() is other for known in self._sharing):
                self._sharing.append(reference)
                other._sharing.append(ref(self))
                other._fresh = False

    def __del__(self) -> None:
        INSTANCES.pop(id(self), None)
        for reference in self._sharing:
            if (other := reference()) is not None:
                other._sharing = [x for x in other._sharing if x() is not self]
                other._fresh = other._fresh or (not other._sharing and other._token)
        if id(self) in PENDING:
            self.deliver()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Copy and pickle a plain Array, which shares nothing with the Values."""
        return make_plain_array, (self._data.copy(), self.grad.copy(), self.label)


Parameters.__name__ = "Array"  # in its repr


def make_plain_array(data: np.ndarray, gradient: np.ndarray, label: str | None) -> Array:
    """Return an Array with a gradient."""
    array = Array(data, label)
    array.grad = gradient
    return array
