"""A training step of one GPT in several engines: the loss of a document, its gradient, and Adam.

The model is `nn.scalar.GPT(27, width)`: one block, 4 heads, RMS norm, squared relu, no biases. All
engines start at the matrices of `weights`. `step(tokens)` trains on one document and returns its
loss before the step. `gradients(tokens)` returns the gradient of each matrix. An engine imports
only its own library.
"""

import random
from importlib import import_module
from itertools import pairwise
from math import sqrt
from typing import Any

VOCABULARY, POSITIONS, HEADS = 27, 16, 4
LR, BETAS, EPS, NORM_EPS = 0.01, (0.9, 0.999), 1e-8, 1e-5
NAMES = ("tokens", "positions", "query", "key", "value", "output", "hidden", "mlp", "head")

Matrix = list[list[float]]


def weights(width: int) -> list[Matrix]:
    """Return the matrices in the order of `NAMES`, one row per token, position or output."""
    rng = random.Random(0)
    shapes = [(VOCABULARY, width), (POSITIONS, width), *[(width, width)] * 4]
    shapes += [(4 * width, width), (width, 4 * width), (VOCABULARY, width)]
    return [[[rng.gauss(0.0, 0.08) for _ in range(n)] for _ in range(m)] for m, n in shapes]


def documents(positions: int) -> list[list[int]]:
    """Return 32 documents, each of a boundary, random letters, and a boundary."""
    rng = random.Random(1)
    return [
        [0, *[rng.randrange(1, VOCABULARY) for _ in range(positions - 1)], 0] for _ in range(32)
    ]


class Eager:
    """stepgrad's Values; the graph is built anew in each step."""

    enabled = False

    def __init__(self, width: int, **options: Any):
        engine, scalar = import_module("engine"), import_module("nn.scalar")
        self.model = scalar.GPT(VOCABULARY, width, HEADS, 1, POSITIONS)
        for rows, numbers in zip(self.rows(), weights(width), strict=True):
            for row, xs in zip(rows, numbers, strict=True):
                for p, x in zip(row, xs, strict=True):
                    p.data = x
        self.loss = engine.jit(self.model.loss, self.model, enabled=self.enabled, **options)
        self.optimizer = import_module("nn.optim").Adam(
            self.loss.parameters(), lr=LR, betas=BETAS, eps=EPS
        )

    def rows(self) -> list[list[Any]]:
        """Return the rows of the matrices in the order of `NAMES`."""
        (block,) = self.model.blocks
        heads, layers = block.attention.heads, block.mlp.layers
        parts = [[getattr(head, name) for head in heads] for name in ("query", "key", "value")]
        parts += [[block.attention.output], [layers[0]], [layers[1]], [self.model.head]]
        embeddings = (self.model.token_embedding, self.model.position_embedding)
        return [
            *([*x.weight] for x in embeddings),
            *([neuron.weights for layer in part for neuron in layer.neurons] for part in parts),
        ]

    def step(self, tokens: list[int]) -> float:
        return self.train(self.loss(tokens))

    def step_batch(self, batch: list[list[int]]) -> float:
        """Train on documents of one length at once, and return their mean loss."""
        return self.train(self.loss.map(batch).mean())

    def train(self, loss: Any) -> float:
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.data)

    def gradients(self, tokens: list[int]) -> list[Any]:
        self.optimizer.zero_grad()
        self.loss(tokens).backward()
        self.loss.sync()
        return [[[p.grad for p in row] for row in rows] for rows in self.rows()]


class Jit(Eager):
    """stepgrad's `jit`: the graph is recorded once for each length."""

    enabled = True


class Plain:
    """Plain Python with the minimal class of `benchmarks.by_hand`, node for node."""

    def __init__(self, width: int):
        value = import_module("benchmarks.by_hand").Value
        self.matrices = [[[value(x) for x in row] for row in m] for m in weights(width)]
        self.parameters = [p for matrix in self.matrices for row in matrix for p in row]
        self.means, self.squares = ([0.0] * len(self.parameters) for _ in range(2))
        self.steps, self.size = 0, width // HEADS

    def loss(self, tokens: list[int]) -> Any:
        *_, query, key, value, output, hidden, mlp, head = self.matrices
        keys: list[Any] = []
        values: list[Any] = []
        losses = []
        for position, (token, target) in enumerate(pairwise(tokens)):
            x = norm(add(self.matrices[0][token], self.matrices[1][position]))
            y = norm(x)
            q = linear(query, y)
            keys.append(linear(key, y))
            values.append(linear(value, y))
            x = add(x, linear(output, self.attend(q, keys, values)))
            h = [z.relu() for z in linear(hidden, norm(x))]
            x = add(x, linear(mlp, [z * z for z in h]))
            losses.append(softmax(linear(head, x))[target].log() * -1.0)
        return total(losses) * (1.0 / len(losses))

    def attend(self, query: Any, keys: Any, values: Any) -> list[Any]:
        """Return the values, weighted by each head, side by side."""
        out, scale = [], 1.0 / sqrt(self.size)
        for first in range(0, HEADS * self.size, self.size):
            part = slice(first, first + self.size)
            shares = softmax([dot(query[part], key[part]) * scale for key in keys])
            columns = zip(*[value[part] for value in values], strict=True)
            out += [dot(shares, column) for column in columns]
        return out

    def step(self, tokens: list[int]) -> float:
        loss, (first, second) = self.backward(tokens), BETAS
        self.steps += 1
        for i, p in enumerate(self.parameters):
            m = self.means[i] = first * self.means[i] + (1 - first) * p.grad
            v = self.squares[i] = second * self.squares[i] + (1 - second) * p.grad**2
            m, v = m / (1 - first**self.steps), v / (1 - second**self.steps)
            p.data -= LR * m / (sqrt(v) + EPS)
        return loss.data

    def backward(self, tokens: list[int]) -> Any:
        for p in self.parameters:
            p.grad = 0.0
        loss = self.loss(tokens)
        loss.backward()
        return loss

    def gradients(self, tokens: list[int]) -> list[Any]:
        self.backward(tokens)
        return [[[p.grad for p in row] for row in matrix] for matrix in self.matrices]


def total(xs: Any) -> Any:
    first, *others = xs
    for x in others:
        first = first + x
    return first


def dot(xs: Any, ys: Any) -> Any:
    return total([x * y for x, y in zip(xs, ys, strict=True)])


def add(xs: Any, ys: Any) -> list[Any]:
    return [x + y for x, y in zip(xs, ys, strict=True)]


def linear(matrix: Any, xs: Any) -> list[Any]:
    return [dot(row, xs) for row in matrix]


def norm(xs: Any) -> list[Any]:
    scale = (dot(xs, xs) * (1.0 / len(xs)) + NORM_EPS) ** -0.5
    return [x * scale for x in xs]


def softmax(xs: Any) -> list[Any]:
    largest = max(x.data for x in xs)
    powers = [(x + -largest).exp() for x in xs]
    scale = total(powers) ** -1
    return [x * scale for x in powers]


class NumPy:
    """NumPy with the derivatives written by hand, and one array of all parameters for Adam."""

    def __init__(self, width: int):
        self.np = np = import_module("numpy")
        arrays = [np.array(x) for x in weights(width)]
        self.flat = np.concatenate([x.ravel() for x in arrays])
        self.gradient, self.mean, self.square = (np.zeros_like(self.flat) for _ in range(3))
        ends = np.cumsum([x.size for x in arrays])
        self.matrices, self.slopes = (
            [
                part.reshape(x.shape)
                for part, x in zip(np.split(flat, ends[:-1]), arrays, strict=True)
            ]
            for flat in (self.flat, self.gradient)
        )
        self.masks = [np.triu(np.full((n, n), -np.inf), 1) for n in range(POSITIONS + 1)]
        self.steps, self.width = 0, width

    def norm(self, X: Any) -> Any:
        """Return the normalized rows, and their scales."""
        scale = 1.0 / self.np.sqrt((X * X).mean(1, keepdims=True) + NORM_EPS)
        return X * scale, scale

    def norm_back(self, dY: Any, Y: Any, scale: Any) -> Any:
        return scale * (dY - Y * (dY * Y).mean(1, keepdims=True))

    def split(self, X: Any) -> Any:
        return X.reshape(len(X), HEADS, -1).swapaxes(0, 1)

    def join(self, X: Any) -> Any:
        return X.swapaxes(0, 1).reshape(-1, self.width)

    def backward(self, tokens: list[int]) -> float:
        """Return the loss, and write its gradient to `slopes`."""
        np, n = self.np, len(tokens) - 1
        ids, targets, every = np.array(tokens[:-1]), np.array(tokens[1:]), np.arange(n)
        embedding, positions, query, key, value, output, hidden, mlp, head = self.matrices
        d = dict(zip(NAMES, self.slopes, strict=True))

        x0, scale0 = self.norm(embedding[ids] + positions[:n])
        y1, scale1 = self.norm(x0)
        q, k, v = (self.split(y1 @ w.T) for w in (query, key, value))
        root = sqrt(self.width // HEADS)
        scores = q @ k.swapaxes(1, 2) / root + self.masks[n]
        powers = np.exp(scores - scores.max(2, keepdims=True))
        shares = powers / powers.sum(2, keepdims=True)
        o = self.join(shares @ v)
        x1 = x0 + o @ output.T
        y2, scale2 = self.norm(x1)
        h = np.maximum(y2 @ hidden.T, 0.0)
        h2 = h * h
        x2 = x1 + h2 @ mlp.T
        logits = x2 @ head.T
        powers = np.exp(logits - logits.max(1, keepdims=True))
        p = powers / powers.sum(1, keepdims=True)
        loss = -np.log(p[every, targets]).mean()

        p[every, targets] -= 1.0
        p /= n
        d["head"][:] = p.T @ x2
        dx = p @ head
        d["mlp"][:] = dx.T @ h2
        dh = 2.0 * h * (dx @ mlp)
        d["hidden"][:] = dh.T @ y2
        dx = dx + self.norm_back(dh @ hidden, y2, scale2)
        d["output"][:] = dx.T @ o
        do = self.split(dx @ output)
        dshares = do @ v.swapaxes(1, 2)
        dscores = shares * (dshares - (dshares * shares).sum(2, keepdims=True)) / root
        dq, dk, dv = (
            self.join(x) for x in (dscores @ k, dscores.swapaxes(1, 2) @ q,
                                   shares.swapaxes(1, 2) @ do)
        )  # fmt: skip
        d["query"][:], d["key"][:], d["value"][:] = dq.T @ y1, dk.T @ y1, dv.T @ y1
        dx = dx + self.norm_back(dq @ query + dk @ key + dv @ value, y1, scale1)
        dx = self.norm_back(dx, x0, scale0)
        d["tokens"][:] = 0.0
        np.add.at(d["tokens"], ids, dx)
        d["positions"][:n], d["positions"][n:] = dx, 0.0
        return float(loss)

    def step(self, tokens: list[int]) -> float:
        loss, (first, second), g = self.backward(tokens), BETAS, self.gradient
        self.steps += 1
        self.mean *= first
        self.mean += (1 - first) * g
        self.square *= second
        self.square += (1 - second) * g * g
        rate, root = LR / (1 - first**self.steps), sqrt(1 - second**self.steps)
        self.flat -= rate * self.mean / (self.np.sqrt(self.square) / root + EPS)
        return loss

    def gradients(self, tokens: list[int]) -> list[Any]:
        self.backward(tokens)
        return [x.copy() for x in self.slopes]


class Torch:
    """Eager PyTorch in float64, with `torch.optim.Adam`."""

    compiled = False

    def __init__(self, width: int):
        self.torch = torch = import_module("torch")
        torch.set_num_threads(1)
        self.matrices = [
            torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in weights(width)
        ]
        self.optimizer = torch.optim.Adam(self.matrices, lr=LR, betas=BETAS, eps=EPS)
        self.compute = torch.compile(self.loss, dynamic=False) if self.compiled else self.loss

    def loss(self, ids: Any, targets: Any) -> Any:
        F, n = self.torch.nn.functional, len(ids)
        tokens, positions, query, key, value, output, hidden, mlp, head = self.matrices
        norm = lambda x: x * ((x * x).mean(-1, keepdim=True) + NORM_EPS).rsqrt()
        split = lambda x: x.reshape(n, HEADS, -1).transpose(0, 1)
        x = norm(tokens[ids] + positions[:n])
        y = norm(x)
        q, k, v = (split(y @ w.T) for w in (query, key, value))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + o.transpose(0, 1).reshape(n, -1) @ output.T
        x = x + (norm(x) @ hidden.T).relu().square() @ mlp.T
        return F.cross_entropy(x @ head.T, targets)

    def backward(self, tokens: list[int]) -> Any:
        self.optimizer.zero_grad()
        ids = self.torch.tensor(tokens)
        loss = self.compute(ids[:-1], ids[1:])
        loss.backward()
        return loss

    def step(self, tokens: list[int]) -> float:
        loss = self.backward(tokens)
        self.optimizer.step()
        return loss.item()

    def gradients(self, tokens: list[int]) -> list[Any]:
        self.backward(tokens)
        return [x.grad.numpy() for x in self.matrices]


class TorchCompiled(Torch):
    """PyTorch with the loss and its gradient compiled by `torch.compile`."""

    compiled = True


class Jax:
    """JAX in float64: the whole step, with Adam on one array, as one compiled program."""

    def __init__(self, width: int):
        self.jax = jax = import_module("jax")
        jax.config.update("jax_enable_x64", True)
        self.numpy, self.array = jax.numpy, import_module("numpy").array
        ravel = import_module("jax.flatten_util").ravel_pytree
        flat, self.unravel = ravel([jax.numpy.asarray(x, "float64") for x in weights(width)])
        self.state = flat, 0.0 * flat, 0.0 * flat, jax.numpy.zeros((), "float64")
        first, second = BETAS
        derivative = jax.value_and_grad(lambda flat, tokens: self.loss(self.unravel(flat), tokens))

        def step(state: Any, tokens: Any) -> Any:
            flat, mean, square, steps = state
            loss, g = derivative(flat, tokens)
            mean, square = first * mean + (1 - first) * g, second * square + (1 - second) * g * g
            steps = steps + 1.0
            rate, root = LR / (1 - first**steps), jax.numpy.sqrt(1 - second**steps)
            flat = flat - rate * mean / (jax.numpy.sqrt(square) / root + EPS)
            return loss, (flat, mean, square, steps)

        self.compiled, self.derivative = jax.jit(step, donate_argnums=0), jax.jit(derivative)

    def loss(self, matrices: Any, tokens: Any) -> Any:
        jax, jnp, n = self.jax, self.numpy, len(tokens) - 1
        embedding, positions, query, key, value, output, hidden, mlp, head = matrices
        norm = lambda x: x / jnp.sqrt((x * x).mean(-1, keepdims=True) + NORM_EPS)
        split = lambda x: x.reshape(n, HEADS, -1).swapaxes(0, 1)
        x = norm(embedding[tokens[:-1]] + positions[:n])
        y = norm(x)
        q, k, v = (split(y @ w.T) for w in (query, key, value))
        scores = q @ k.swapaxes(1, 2) / sqrt(q.shape[-1]) + jnp.triu(jnp.full((n, n), -jnp.inf), 1)
        x = x + (jax.nn.softmax(scores) @ v).swapaxes(0, 1).reshape(n, -1) @ output.T
        x = x + jax.nn.relu(norm(x) @ hidden.T) ** 2 @ mlp.T
        return -jax.nn.log_softmax(x @ head.T)[jnp.arange(n), tokens[1:]].mean()

    def step(self, tokens: list[int]) -> float:
        loss, self.state = self.compiled(self.state, self.array(tokens))
        return float(loss)

    def gradients(self, tokens: list[int]) -> list[Any]:
        return self.unravel(self.derivative(self.state[0], self.array(tokens))[1])


ENGINES: dict[str, tuple[str, Any]] = {  # names and classes
    "jit": ("stepgrad, jit", Jit),
    "eager": ("stepgrad, eager", Eager),
    "plain": ("plain Python, a minimal class", Plain),
    "numpy": ("NumPy, derivatives by hand", NumPy),
    "torch": ("PyTorch eager", Torch),
    "compile": ("PyTorch, torch.compile", TorchCompiled),
    "jax": ("JAX jit", Jax),
}
