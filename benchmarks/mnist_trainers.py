"""The same network and the same steps, in each library as its own users write them.

A trainer takes the first weights, the samples to train on and to test with, the threads it may use
and a seed. `epoch(order, lr)` takes a step for each row of `order`, the numbers of the samples in a
batch, and returns the loss before each step; `accuracy()` is that on the samples to test with.

A trainer imports its library and no other: what importing takes is part of what is measured.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

SIZES = (784, 256, 10)  # pixels, hidden neurons, classes


class Stepgrad:
    """This library: `nn.vector.MLP`, in the loop that its users write."""

    def __init__(self, weights: Any, train: Any, test: Any, threads: int, seed: int):
        from nn import accuracy, losses, optim, vector

        (self.X, self.y), self.test = train, test
        self.loss, self.score = losses.cross_entropy, accuracy
        pixels, *layers = SIZES
        self.model = vector.MLP(pixels, layers, "relu", init="zeros")
        for layer, weight in zip(self.model.layers, weights, strict=True):
            layer.weight.data = weight
        self.optimizer = optim.Adam(self.model.parameters())

    def epoch(self, order: Any, lr: float) -> Sequence[float]:
        found = []
        self.optimizer.lr = lr
        for batch in order:
            loss = self.loss(self.model(self.X[batch]), self.y[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            found.append(float(loss.data))
        return found

    def accuracy(self) -> float:
        X, y = self.test
        return self.score(self.model(X), y)


class NumPy:
    """The same steps in NumPy alone, every derivative written out and Adam in place.

    What an engine on NumPy could come down to: the matrix products cannot be faster, and what
    stepgrad takes longer is what it costs to build the graph and walk it.
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
        self.move((d_hidden.T @ X, d_hidden.sum(axis=0), d.T @ hidden, d.sum(axis=0)), lr)
        return loss

    def move(self, grads: Any, lr: float) -> None:
        np = self.np
        self.steps += 1
        first, second = 1 - 0.9**self.steps, (1 - 0.999**self.steps) ** 0.5
        rate = lr * 0.1 / first * second / 0.001**0.5
        eps = 1e-8 * second / 0.001**0.5
        for g, (p, m, v, x, y) in zip(grads, self.adam, strict=True):
            m *= 0.9
            m += g  # decayed sums; what makes means of them is in rate and eps
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
    """PyTorch, eager: modules, autograd and Adam, which by default works parameter by parameter
    on a CPU, or in one fused kernel. Batches are taken from tensors, without a DataLoader."""

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
        cross_entropy = self.torch.nn.functional.cross_entropy
        found = []
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        for batch in self.torch.from_numpy(order):
            loss = cross_entropy(self.model(self.X[batch]), self.y[batch])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            found.append(loss.detach())
        return self.torch.stack(found).tolist()

    def accuracy(self) -> float:
        X, y = self.test
        with self.torch.inference_mode():
            return (self.model(X).argmax(dim=1) == y).float().mean().item()


class TorchFused(Torch):
    """PyTorch with Adam in one kernel for all parameters."""

    fused = True


class Jax:
    """JAX: an epoch is one compiled program, a scan over the batches that updates in place."""

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
                found, grads = jax.value_and_grad(loss)(layers, X[batch], y[batch])
                steps = steps + 1
                mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, grads)
                square = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, square, grads)
                first, second = 1 - 0.9**steps, 1 - 0.999**steps
                layers = jax.tree.map(
                    lambda p, m, v: p - lr * (m / first) / (jnp.sqrt(v / second) + 1e-8),
                    layers, mean, square,
                )  # fmt: skip
                return (layers, mean, square, steps), found

            return jax.lax.scan(step, state, order)

        self.compiled = jax.jit(epoch, donate_argnums=0)
        self.score = jax.jit(lambda layers, X, y: (logits(layers, X).argmax(axis=1) == y).mean())
        layers = [(weight, weight[:, 0] * 0) for weight in weights]
        zeros = jax.tree.map(lambda p: p * 0, layers)
        # Two copies: what is donated is given up, and no buffer can be given up twice.
        self.state = jax.device_put((layers, zeros, jax.tree.map(lambda p: p * 0, layers), 0))
        self.train, self.test = jax.device_put((train, test))

    def epoch(self, order: Any, lr: float) -> Sequence[float]:
        self.state, losses = self.compiled(self.state, order.astype("int32"), lr, *self.train)
        return self.jax.block_until_ready((self.state, losses))[1].tolist()

    def accuracy(self) -> float:
        return self.score(self.state[0], *self.test).item()


class Sklearn:
    """scikit-learn, whose MLPClassifier chooses first weights and order by itself."""

    def __init__(self, weights: Any, train: Any, test: Any, threads: int, seed: int):
        from numpy.random import RandomState

        _, hidden, self.classes = SIZES
        self.train, self.test = train, test
        # A generator: with a seed every call of partial_fit would shuffle alike.
        self.model = import_module("sklearn.neural_network").MLPClassifier(
            (hidden,), alpha=0.0, random_state=RandomState(seed)
        )

    def epoch(self, order: Any, lr: float) -> Sequence[float]:
        self.model.set_params(batch_size=order.shape[1], learning_rate_init=lr)
        if hasattr(self.model, "_optimizer"):  # which otherwise keeps the rate it was made with
            self.model._optimizer.learning_rate_init = lr
        self.model.partial_fit(*self.train, classes=range(self.classes))
        return [self.model.loss_]

    def accuracy(self) -> float:
        return self.model.score(*self.test)


TRAINERS: dict[str, tuple[str, Any]] = {  # by the names that workers take, in the table's order
    "torch": ("PyTorch eager", Torch),
    "fused": ("PyTorch, fused Adam", TorchFused),
    "jax": ("JAX jit, epoch by scan", Jax),
    "sklearn": ("scikit-learn MLPClassifier", Sklearn),
    "numpy": ("NumPy, written by hand", NumPy),
    "stepgrad": ("stepgrad", Stepgrad),
}
