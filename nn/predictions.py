"""Predictions of models as numbers: outputs, probabilities or classes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.functions import has_arrays, is_array, softmax
from engine.node import Node
from engine.support.lazy import numpy_if_installed
from engine.value import Value
from engine.watch.no_grad import no_grad
from nn import plain
from nn.arguments import check_unmasked, look_up

KINDS = ("outputs", "probabilities", "classes")


def predict(model: Any, X: Any, kind: str) -> Any:
    """Return the predictions of a Module for samples X (see `Module.predict`)."""
    look_up("kind of prediction", dict.fromkeys(KINDS), kind)
    np = numpy_if_installed()
    samples = (np or plain).asarray(X.data if is_array(X) else check_unmasked(X))
    if not getattr(samples, "ndim", isinstance(samples, plain.Rows)):
        raise TypeError(f"predict expects samples, one after the other, got {X!r}")
    with evaluating(model):
        if takes_batches(model):
            with no_grad():
                outputs = model(samples).data
            if len(outputs) != len(samples) or (samples.ndim == 1 and samples.dtype.kind == "f"):
                raise ValueError(
                    f"predict expects samples of shape (samples, features), got shape "
                    f"{samples.shape}; of one sample x, write predict([x])"
                )
        else:  # the graph of a sample is freed at once, which is faster than no_grad()
            outputs = [data_of_outputs(model(x)) for x in samples.tolist()]
    if np is None:
        return [convert_outputs(x, kind) for x in outputs]
    outputs = np.asarray(outputs)
    if outputs.ndim == 2 and outputs.shape[1] == 1:
        outputs = outputs[:, 0]
    if kind == "outputs":
        return outputs
    if kind == "classes":
        return outputs.argmax(axis=-1) if outputs.ndim > 1 else (outputs > 0).astype(int)
    from engine.arrays.array import ConstantArray

    node = ConstantArray(outputs)
    return (node.softmax() if outputs.ndim > 1 else node.sigmoid()).data


def takes_batches(model: Any) -> bool:
    """Return whether a Module takes a batch at a time, as one of Arrays does, frozen or not."""
    return has_arrays(model.parameters() or model.named_state().values())


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Switch a model to eval() mode, and restore the mode of each of its modules."""
    modes = [(module, module.training) for module in model.named_modules().values()]
    model.eval()
    try:
        yield
    finally:
        model.train(modes[0][1])
        for module, mode in modes:
            module.training = mode


def data_of_outputs(row: Any) -> Any:
    """Return the numbers in the outputs for a sample: one, or a list of several."""
    if isinstance(row, list | tuple):
        numbers = [x.data if isinstance(x, Node) else x for x in row]
        return numbers[0] if len(numbers) == 1 else numbers
    return row.data if isinstance(row, Node) else row


def convert_outputs(numbers: Any, kind: str) -> Any:
    """Return the prediction for a sample from its outputs, without NumPy."""
    if kind == "outputs":
        return numbers
    if isinstance(numbers, list):
        if kind == "classes":
            return max(range(len(numbers)), key=numbers.__getitem__)
        return [p.data for p in softmax([Value(x) for x in numbers])]
    return int(numbers > 0) if kind == "classes" else Value(numbers).sigmoid().data
