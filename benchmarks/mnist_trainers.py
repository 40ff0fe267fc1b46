"""One network and its training step in each library, as users of the library write it.

A trainer takes the initial weights, the training and test samples, the number of threads and a
seed. `epoch(order, lr)` takes a step for each row of `order`, the indices of the samples of a
batch, and returns the loss before each step. `accuracy()` is the accuracy on the test samples.

A trainer imports only its own library, as the time of the import is part of the measurement.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

SIZES = (784, 256, 10)  # pixels, hidden neurons, classes


class Stepgrad:
    """stepgrad: `nn.vector.MLP` in a training loop."""

    def __init__(self, weights: Any, train: Any, test: Any, threads: int, seed: int):
        from nn import accuracy, losses, optim, vector

        (self.X, self.y), self.test = train, test
        self.loss, self.score = losses.cross_entropy, accuracy
        pixels, *layers = SIZES
        self.model = vector.MLP(pixels, layers, "relu", init="zeros")
        for layer, weight in zip(self.model.layers, weights, strict=True):
            layer.weight.data = weight
        self.optimizer = optim.Adam(self.model.parameters())
        self.step_loss = lambda X, y: self.loss(self.model(X), y)

    def epoch(self, order: Any, lr: float) -> Sequence[float]:
        losses = []
        self.optimizer.lr = lr
        for batch in order:
            loss = self.step_loss(self.X[batch], self.y[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(float(loss.data))
        return losses

    def accuracy(self) -> float:
        X, y = self.test
        return self.score(self.model(X), y)


class StepgradJit(Stepgrad):
    """stepgrad, with the loss under `jit`."""

    def __init__(self, weights: Any, train: Any, test: Any, threads: int, seed: int):
        from engine import jit

        super().__init__(weights, train, test, threads, seed)
        self.step_loss = jit(self.step_loss, self.model)


class NumPy:
    """The same steps in plain NumPy, with every derivative written out and Adam in place.

    This is a lower bound for an engine on NumPy: the difference to stepgrad is the cost of building
    and walking the graph.
    """

    def __init__(self, weights: Any, train: Any, test: Any, threads: int, seed: int):
        self.np = np = import_module("numpy")
        (self.X, self.y), self.test = train, test
        self.parameters = [p for W in weights for p in (W.copy(), np.zeros_like(W[:, 0]))]
        empty = np.empty_like
        self.adam = [(p, p * 0, p * 0, empty(p), empty(p)) for p in self.parameters]
        self.steps = 0

    def epoch(self, order: Any, lr: float) -> Sequence[float]:
        return [self.step(self.X[batch], self.y[batch], lr) for batch in order]

    def step(self, X: Any, y: Any, lr: float) -> float:
        np, samples = self.np, range(len(y))
        W1, b1, W2, b2 = self.parameters
        hidden = X @ W1.T + b1
        np.maximum(hidden, 0, out=hidden)
        logits = hidden @ W2.T + b2
        logits -= logits.max(axis=1, keepdims=True)
        d = np.exp(logits)
        total = d.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(total[:, 0]) - logits[samples, y])
        d /= total
        d[samples, y] -= 1
        d /= len(y)
        d_hidden = d @ W2
        d_hidden *= hidden > 0
        self.update((d_hidden.T @ X, d_hidden.sum(axis=0), d.T @ hidden, d.sum(axis=0)), lr)
        return loss

    def update(self, grads: Any, lr: float) -> None:
        np = self.np
        self.steps += 1
        first, second = 1 - 0.9**self.steps, (1 - 0.999**self.steps) ** 0.5
        rate = lr * 0.1 / first * second / 0.001**0.5
        eps = 1e-8 * second / 0.001**0.5
        for g, (p, m, v, x, y) in zip(grads, self.adam, strict=True):
            m *= 0.9
            m += g  # decayed sums; rate and eps include the factors that turn them into means
            v *= 0.999
            v += np.multiply(g, g, out=x)
            np.sqrt(v, out=x)
            x += eps
            p -= np.multiply(np.divide(m, x, out=y), rate, out=y)

    def accuracy(self) -> float:
        X, y = self.test
        W1, b1, W2, b2 = self.parameters
        hidden = self.np.maximum(X @ W1.T + b1, 0)
        return float(((hidden @ W2.T + b2).argmax(axis=1) == y).mean())


class Torch:
    """Eager PyTorch with modules, autograd and Adam, without a DataLoader.

    On a CPU, Adam updates one parameter at a time by default.
    """

    fused: bool | None = None

    def __init__(self, weights: Any, train: Any, test: Any, threads: int, seed: int):
        self.torch = torch = import_module("torch")
        torch.set_num_threads(threads)
        self.X, self.y, *self.test = map(torch.from_numpy, (*train, *test))
        pixels, hidden, classes = SIZES
        self.model = torch.nn.Sequential(
            torch.nn.Linear(pixels, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, classes)
        )
        with torch.no_grad():
            for layer, weight in zip(self.model[::2], weights, strict=True):
                layer.weight.copy_(torch.from_numpy(weight))
                layer.bias.zero_()
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=self.fused)

    def epoch(self, order: Any, lr: float) -> Sequence[float]:
        losses = []
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        for batch in self.torch.from_numpy(order):
            loss = self.loss(self.X[batch], self.y[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        return self.torch.stack(losses).tolist()

    def loss(self, X: Any, y: Any) -> Any:
        return self.torch.nn.functional.cross_entropy(self.model(X), y)

    def accuracy(self) -> float:
        X, y = self.test
        with self.torch.inference_mode():
            return (self.model(X).argmax(dim=1) == y).float().mean().item()


class TorchFused(Torch):
    """PyTorch with Adam as one kernel for all parameters."""

    fused = True


class Jax:
    """JAX: an epoch is one compiled program, a scan over batches with updates in place."""

    def __init__(self, weights: Any, train: Any, test: Any, threads: int, seed: int):
        self.jax = jax = import_module("jax")
        jnp = jax.numpy

        def logits(layers: Any, X: Any) -> Any:
            (w1, b1), (w2, b2) = layers
            return jax.nn.relu(X @ w1.T + b1) @ w2.T + b2

        def loss(layers: Any, X: Any, y: Any) -> Any:
            log_p = jax.nn.log_softmax(logits(layers, X))
            return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

        def epoch(state: Any, order: Any, lr: Any, X: Any, y: Any) -> Any:
            def step(state: Any, batch: Any) -> Any:
                layers, mean, square, steps = state
                value, grads = jax.value_and_grad(loss)(layers, X[batch], y[batch])
                steps = steps + 1
                mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, grads)
                square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, grads)
                first, second = 1 - 0.9**steps, 1 - 0.999**steps
                layers = jax.tree.map(
                    lambda p, m, v: p - lr * (m / first) / (jnp.sqrt(v / second) + 1e-8),
                    layers, mean, square,
                )  # fmt: skip
                return (layers, mean, square, steps), value

            return jax.lax.scan(step, state, order)

        self.compiled = jax.jit(epoch, donate_argnums=0)
        self.score = jax.jit(lambda layers, X, y: (logits(layers, X).argmax(axis=1) == y).mean())
        layers = [(weight, weight[:, 0] * 0) for weight in weights]
        zeros = jax.tree.map(lambda p: p * 0, layers)
        # Two copies, as a buffer can be donated only once.
        self.state = jax.device_put((layers, zeros, jax.tree.map(lambda p: p * 0, layers), 0))
        self.train, self.test = jax.device_put((train, test))

    def epoch(self, order: Any, lr: float) -> Sequence[float]:
        self.state, losses = self.compiled(self.state, order.astype("int32"), lr, *self.train)
        return self.jax.block_until_ready((self.state, losses))[1].tolist()

    def accuracy(self) -> float:
        return self.score(self.state[0], *self.test).item()


class Sklearn:
    """scikit-learn, whose MLPClassifier draws its own initial weights and order."""

    def __init__(self, weights: Any, train: Any, test: Any, threads: int, seed: int):
        from numpy.random import RandomState

        _, hidden, self.classes = SIZES
        self.train, self.test = train, test
        # A generator, as with a seed every call of partial_fit would shuffle alike.
        self.model = import_module("sklearn.neural_network").MLPClassifier(
            (hidden,), alpha=0.0, random_state=RandomState(seed)
        )

    def epoch(self, order: Any, lr: float) -> Sequence[float]:
        self.model.set_params(batch_size=order.shape[1], learning_rate_init=lr)
        if hasattr(self.model, "_optimizer"):  # it otherwise keeps its initial rate
            self.model._optimizer.learning_rate_init = lr
        self.model.partial_fit(*self.train, classes=range(self.classes))
        return [self.model.loss_]

    def accuracy(self) -> float:
        return self.model.score(*self.test)


TRAINERS: dict[str, tuple[str, Any]] = {  # names and classes, in the order of the table
    "torch": ("PyTorch eager", Torch),
    "fused": ("PyTorch, fused Adam", TorchFused),
    "jax": ("JAX jit, epoch by scan", Jax),
    "sklearn": ("scikit-learn MLPClassifier", Sklearn),
    "numpy": ("NumPy, written by hand", NumPy),
    "stepgrad": ("stepgrad", Stepgrad),
    "stepgrad-jit": ("stepgrad, jit", StepgradJit),
}
