"""Networks move to PyTorch and back: weights exactly, outputs and gradients to rounding."""

import copy
import doctest
import operator
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from demos import from_torch as demo
from nn import scalar, vector
from nn.code import code_checksum
from nn.interop import from_torch, state_names, to_torch, torch_names, torch_reader, torch_writer
from nn.interop.table import ACTIVATIONS, ROWS
from peers.judges import torch
from test_readme import BLOCKS, EXTRAS, check_output
from test_scalar_modules import PARTS, WIDTH

F = torch.nn.functional
RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 6))
INDICES = RNG.integers(0, 9, (12,))
D = {"dtype": np.float64}


def randomized(model):
    """Return a model in which no parameter is 0 or 1, and no statistic is that of the start."""
    rng = np.random.default_rng(1)
    for p in model.parameters():
        p.data = p.data + rng.normal(size=p.shape, scale=0.3).astype(p.dtype)
    return model


def whole(dtype=np.float64):
    """Return a network with every kind of layer that both libraries have."""
    how = {"dtype": dtype}
    return randomized(
        vector.Sequential(
            vector.Dense(6, 8, "tanh", rng=0, bias=False, **how),
            vector.BatchNorm(8, momentum=0.3, eps=0.01, **how), vector.Dropout(0.5, rng=0),
            vector.Residual(vector.Dense(8, 4, rng=1, **how), vector.Dense(4, 8, "linear", **how)),
            vector.Activation("gelu"), vector.LayerNorm(8, eps=0.1, **how),
            vector.RMSNorm(8, eps=0.1, **how), vector.RMSNorm(8, eps=0.1, gain=False),
            vector.Sequential(vector.Dense(8, 3, "sigmoid", rng=2, **how)),
        )
    )  # fmt: skip


MODELS = {
    "whole": whole,
    "MLP": lambda: vector.MLP(6, [5, 4, 2], "silu", dropout=0.2, rng=0, **D),
    "Dense": lambda: vector.Dense(6, 2, "linear", rng=0, **D),
    "Dense with relu": lambda: vector.Dense(6, 2, rng=0, **D),
    "Embedding": lambda: vector.Sequential(
        vector.Embedding(9, 6, rng=0, **D), vector.Dense(6, 2, rng=1, **D)
    ),
    **{name: lambda name=name: vector.Dense(6, 3, name, rng=0, **D) for name in scalar.ACTIVATIONS},
}


def samples_for(name):
    return INDICES if name == "Embedding" else X


def close(got, want, bound=1e-14):
    got, want = np.asarray(got), np.asarray(want)
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=bound * max(1.0, np.abs(want).max()))


@pytest.mark.parametrize("name", MODELS)
def test_there(name):
    """Weights are equal under the names that `torch_names` states; outputs and gradients agree."""
    model = MODELS[name]().eval()
    before = torch.random.get_rng_state()
    module = to_torch(model)
    assert torch.equal(before, torch.random.get_rng_state())
    names, theirs = torch_names(model), dict(module.state_dict(keep_vars=True))
    assert list(names) == list(model.state_dict())
    for path, array in model.state_dict().items():
        tensor = theirs[names[path]].detach().numpy()
        assert (tensor.dtype, tensor.tobytes()) == (array.dtype, array.tobytes())
    assert all(name in names.values() or "num_batches" in name for name in theirs)
    out, want = model(samples_for(name)), module(torch.tensor(samples_for(name)))
    close(out.data, want.detach().numpy())
    out.square().mean().backward()
    (want**2).mean().backward()
    for path, parameter in model.named_parameters().items():
        close(parameter.grad, theirs[names[path]].grad.numpy(), 1e-13)


@pytest.mark.parametrize("name", MODELS)
def test_and_back(name):
    model = MODELS[name]()
    back = from_torch(to_torch(model))
    pairs = zip(model.state_dict().values(), back.state_dict().values(), strict=True)
    assert all((a.dtype, a.tobytes()) == (b.dtype, b.tobytes()) for a, b in pairs)
    assert model.eval()(samples_for(name)).data.tobytes() == back.eval()(
        samples_for(name)
    ).data.tobytes()  # fmt: skip


@given(st.lists(st.sampled_from([*PARTS]), min_size=1, max_size=6), st.integers(0, 2**32))
def test_any_sequence(names, seed):
    """Networks of up to 6 modules in any order: the outputs to rounding, and back every bit."""
    rng = np.random.default_rng(seed)
    model = randomized(vector.Sequential(*[PARTS[name](rng) for name in names]))
    samples = rng.normal(size=(5, WIDTH))
    model(samples)
    model.eval()
    module = to_torch(model)
    close(model(samples).data, module(torch.tensor(samples)).detach().numpy(), 1e-12)
    back = from_torch(module)
    assert back(samples).data.tobytes() == model(samples).data.tobytes()
    assert len(torch_names(module)) == len(torch_names(model)) == len(model.state_dict())


def test_all_layers_and_activations_of_the_table_are_tested():
    kinds = {type(m) for model in MODELS.values() for m in model().named_modules().values()}
    assert {row.layer for row in ROWS if row.module} <= kinds
    assert sorted(row.name for row in ACTIVATIONS) == sorted(scalar.ACTIVATIONS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_goes_on_alike(dtype):
    """Three steps of gradient descent in both libraries, with batch statistics, without dropout."""
    model = whole(dtype)
    model.modules[2] = vector.Dropout(0.0)
    module, names = to_torch(model), torch_names(model)
    assert module.training
    x = torch.tensor(X, dtype=torch.float32 if dtype is np.float32 else torch.float64)
    mine, theirs = nn.optim.SGD(model.parameters(), 0.1), torch.optim.SGD(module.parameters(), 0.1)
    for _ in range(3):
        mine.zero_grad()
        theirs.zero_grad()
        model(X.astype(dtype)).square().mean().backward()
        (module(x) ** 2).mean().backward()
        mine.step()
        theirs.step()
    state = module.state_dict()
    for path, array in model.state_dict().items():
        close(array, state[names[path]].numpy(), 1e-5 if dtype is np.float32 else 1e-12)


def test_a_network_of_values():
    model = nn.MLP(6, [4, 1], "tanh", rng=0)
    module = to_torch(model)
    assert module[0].weight.dtype == torch.float64
    close([[model(x).data] for x in X], module(torch.tensor(X)).detach().numpy())
    assert torch_names(model)["layers.1.bias"] == "2.bias"


def test_modes_frozen_and_shared_parameters_are_kept():
    dense = vector.Dense(6, 6, rng=0)
    model = vector.Sequential(dense, vector.BatchNorm(6), dense, vector.Dropout(0.5))
    model.modules[1].eval()
    dense.weight.requires_grad = False
    module = to_torch(model)
    assert module[0] is module[3]
    assert [p.requires_grad for p in module[0].parameters()] == [False, True]
    assert [module[k].training for k in (0, 2, 5)] == [True, False, True]
    back = from_torch(module)
    assert back.modules[0] is back.modules[2]
    assert [x.training for x in back.modules] == [True, False, True, True]
    assert list(back.named_parameters()) == ["modules.0.bias", "modules.1.gamma", "modules.1.beta"]


def test_tied_weights():
    """An embedding and a layer share a matrix, as in language models."""
    module = torch.nn.Sequential(torch.nn.Embedding(9, 6), torch.nn.Linear(6, 9, bias=False))
    module[1].weight = module[0].weight
    model = from_torch(module)
    assert model.modules[0].weight is model.modules[1].weight
    assert len(model.parameters()) == 1
    assert torch_names(module) == torch_names(model) == {"modules.0.weight": "0.weight"}
    again = to_torch(model)
    assert again[0].weight is again[1].weight
    scalars = model.to_scalar()
    (scalars(3)[4] * 2.0).backward()
    (again(torch.tensor([3]))[0, 4] * 2.0).backward()
    close([p.grad for p in scalars.parameters()], again[0].weight.grad.ravel())


def test_a_layer_with_two_activations():
    """One `Linear` before relu and before tanh: two layers with the same Values."""
    torch.manual_seed(0)
    net = functional(lambda x, a: torch.tanh(a(torch.relu(a(x)))), torch.nn.Linear(6, 6))
    scalars = from_torch(net).to_scalar()
    assert repr(scalars) == "Sequential(Layer(6, 6, 'relu'), Layer(6, 6, 'tanh'))"
    sum(y * y for y in scalars(X[0].tolist())).backward()
    (net(torch.tensor(X[:1])) ** 2).sum().backward()
    layer = net.parts[0]
    theirs = torch.cat([layer.weight.grad, layer.bias.grad[:, None]], 1)
    close([p.grad for p in scalars.parameters()], theirs.ravel(), 1e-13)


def test_modules_can_be_pickled():
    module = to_torch(whole())
    again = pickle.loads(pickle.dumps(module)).eval()
    assert torch.equal(again(torch.tensor(X)), module.eval()(torch.tensor(X)))


class Net(torch.nn.Module):
    """Layers and functions in every form that can be read."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(8, 2)
        self.flat = torch.nn.Flatten()
        self.first = torch.nn.Linear(6, 8)
        self.block = torch.nn.ModuleList([torch.nn.Linear(8, 8), torch.nn.BatchNorm1d(8)])
        self.relu = torch.nn.ReLU(inplace=True)

    def forward(self, images):
        x = self.flat(images).view(images.size(0), -1)
        x = self.relu(self.first(x))
        x = x + F.gelu(self.block[1](self.block[0](x)))
        x = F.dropout(x, 0.3, training=self.training)
        x = torch.add(self.block[0](x).sin(), x)
        x = F.leaky_relu(self.head(x), negative_slope=0.01).sigmoid()
        return -x


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = Net()
    net.train()(torch.tensor(X))
    return net.eval()


def test_a_class_with_a_forward(net):
    model = from_torch(net)
    assert repr(model) == (
        "Sequential(Dense(6, 8, 'relu'), Residual(Dense(8, 8, 'linear'), BatchNorm(8), "
        "Activation('gelu')), Dropout(0.3), Residual(Dense(8, 8, 'sin')), "
        "Dense(8, 2, 'leaky_relu'), Activation('sigmoid'), Activation('neg'))"
    )
    close(model(X).data, net(torch.tensor(X)).detach().numpy())
    names = torch_names(net)
    assert names["modules.0.weight"] == "first.weight"
    assert names["modules.1.modules.1.running_variance"] == "block.1.running_var"
    state = net.state_dict()
    for path, array in model.state_dict().items():
        assert array.tobytes() == state[names[path]].numpy().tobytes()


def test_gradients_of_scalars_are_those_of_autograd(net):
    """from_torch, to_scalar, backward: one sample, every weight."""
    residual = functional(lambda x, f: x + f(x).tanh(), torch.nn.Linear(8, 8))
    plain = torch.nn.Sequential(
        net.first, torch.nn.Tanh(), net.block[1], torch.nn.Dropout(0.5), torch.nn.SiLU(),
        torch.nn.LayerNorm(8), residual, net.head, torch.nn.Sigmoid(),
    ).eval()  # fmt: skip
    scalars = from_torch(plain).to_scalar()
    outputs = scalars(X[0].tolist())
    (outputs[0] * 2.0 - outputs[1]).backward()
    theirs = plain(torch.tensor(X[:1]))[0]
    plain.zero_grad()
    (theirs[0] * 2.0 - theirs[1]).backward()
    close([y.data for y in outputs], theirs.detach().numpy())
    gradients = demo.read_gradients(scalars, from_torch(plain).named_state())
    parameters = dict(plain.named_parameters())
    for path, name in torch_names(plain).items():
        if name in parameters:
            close(gradients[path], parameters[name].grad.numpy(), 1e-13)
    assert scalars.to_vector().eval()(X).data.tobytes() == from_torch(plain)(X).data.tobytes()


def test_normalization_without_weights_is_frozen():
    module = torch.nn.Sequential(
        torch.nn.BatchNorm1d(6, affine=False), torch.nn.LayerNorm(6, bias=False),
        torch.nn.LayerNorm(6, elementwise_affine=False), torch.nn.RMSNorm(6),
    )  # fmt: skip
    model = from_torch(module)
    assert [*model.named_parameters()] == ["modules.1.gamma", "modules.3.gain"]
    assert model.modules[3].eps == torch.finfo(torch.float64).eps
    close(model(X).data, module(torch.tensor(X)).detach().numpy())


def functional(f, *layers):
    """Return a module that computes f(x, *layers)."""

    class Functional(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = torch.nn.ModuleList(layers)

        def forward(self, x):
            return f(x, *self.parts)

    return Functional()


LINEAR = torch.nn.Linear(6, 6)


class Own(torch.nn.Linear):
    pass


def alias(change, view=lambda z: z, *layers):
    """Return a module that changes a tensor, and returns a function of its other name."""

    def f(x, *layers):
        z = x.tanh()
        other = view(z, *layers)
        change(z, x.sin())
        return other.sigmoid()

    return functional(f, *layers)


def hooked(module):
    module.register_forward_hook(lambda module, inputs, out: 2 * out)
    return module


def patched():
    linear = torch.nn.Linear(2, 2)
    linear.forward = lambda x: 2 * x
    return torch.nn.Sequential(linear)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3))), r"Conv2d\(.*at '1\.0': only Linear"),
        (torch.nn.LSTM(2, 2), r"cannot convert LSTM\(2, 2\): only Linear"),
        (torch.nn.Conv2d(1, 2, 3), r"cannot convert Conv2d\(.*\): only Linear"),
        (torch.nn.Sequential(torch.nn.MultiheadAttention(4, 2)), "MultiheadAttention.* at '0'"),
        (torch.nn.LeakyReLU(0.2), "only negative_slope=0.01 can be converted, got 0.2"),
        (torch.nn.Sequential(torch.nn.GELU("tanh")), "at '0': only approximate='none'"),
        (torch.nn.Softplus(threshold=5), "only threshold=20.0 can be converted, got 5"),
        (torch.nn.BatchNorm1d(3, momentum=None), "momentum=None has no counterpart"),
        (torch.nn.BatchNorm1d(3, track_running_stats=False), "only track_running_stats=True"),
        (torch.nn.LayerNorm((2, 3)), r"normalized_shape=\(2, 3\) has no counterpart"),
        (torch.nn.Embedding(3, 2, padding_idx=0), "only padding_idx=None"),
        (torch.nn.Linear(2, 2).half(), r"float32 and float64 can be converted; call module.float\(\)"),
        (torch.nn.Sequential(hooked(torch.nn.Linear(2, 2))), "at '0': its hooks may change its result"),
        (hooked(torch.nn.Sequential(torch.nn.Linear(2, 2))), "its hooks may change its result"),
        (patched(), r"Linear\(.* at '0'"),
        (functional(lambda x: x * 2.0), "mul.* at 'Functional.forward, mul'"),
        (functional(lambda x: F.leaky_relu(x, 0.3)), "negative_slope=0.3 has no counterpart"),
        (functional(lambda x: torch.add(x, x.tanh(), alpha=2)), "add.* at 'Functional.forward, add'"),
        (functional(lambda x, a: a(x) + x.tanh(), LINEAR), "sums x \\+ f\\(x\\)"),
        (functional(lambda x: x + x), "cannot convert 'add'"),
        (functional(lambda x, a: a(x).flatten(1), LINEAR), "cannot convert 'flatten'"),
        (functional(lambda x: x + x.relu_()), "relu.*in-place operation"),
        (functional(lambda x: x + F.relu_(x)), "relu.*in-place operation"),
        (functional(lambda x: x + F.relu(x, True)), "relu.*in-place operation"),
        (functional(lambda x: x + F.dropout(x, 0.1, True, True)), "dropout.*in-place operation"),
        (functional(lambda x, a: (F.relu_(x), a(x))[1], LINEAR), "relu.*in-place operation"),
        (functional(lambda x, a, b: (b(x), a(x))[1], LINEAR, torch.nn.ReLU(True)), "at 'parts.1': it is an in-place operation"),
        (functional(lambda x, a: (x.__iadd__(a(x)), x.tanh())[1], LINEAR), "iadd.*in-place operation"),
        (alias(operator.iadd), "at 'Functional.forward, iadd': it is an in-place operation, and its input or a view"),
        (alias(operator.imul), "'imul' at .*in-place operation"),
        (alias(lambda z, y: z.add_(y)), "'add' at .*in-place operation"),
        (alias(operator.iadd, lambda z, a: a(z), torch.nn.Identity()), "forward, iadd': it is an in-place operation"),
        (alias(operator.iadd, lambda z, a: a(z), torch.nn.Dropout()), "forward, iadd': it is an in-place operation"),
        (alias(operator.iadd, lambda z: z.flatten(1)), "forward, iadd': it is an in-place operation"),
        (alias(operator.iadd, lambda z: z.data), "forward, iadd': it is an in-place operation"),
        (alias(operator.iadd, lambda z: z[:1]), "forward, iadd': it is an in-place operation"),
        (functional(lambda x, a: (torch.sin(x, out=(y := a(x))), y)[1], LINEAR), "'sin' at .*in-place operation"),
        (functional(lambda x, a: (a.weight.data.clamp_(0.0), a(x))[1], LINEAR), "'clamp' at .*in-place operation"),
        (functional(lambda x, a: (setattr(y := a(x), "data", x), y)[1], LINEAR), "cannot record .* it assigns the attribute 'data'"),
        (functional(lambda x: F.softmax(x, -1)), r"LeakyReLU.* and their functions, and sums x \+ f"),
        (torch.nn.Sequential(torch.nn.Dropout(1.0)), r"Dropout\(p=1.0.* at '0': rate must be a number in \[0, 1\)"),
        (functional(lambda x, a: (a(x), x), LINEAR), "one output tensor"),
        (functional(lambda x, a: a(x) if x.sum() > 0 else x, LINEAR), r"cannot record Functional.forward"),
        (functional(lambda x, a: F.linear(x, a.weight), LINEAR), "'parts.0.weight' at 'Functional.forward"),
        (Own(2, 2), "'weight' at 'Own.forward, weight'"),
        (torch.nn.Linear, "expects a torch.nn.Module, got <class"),
        (vector.MLP(2, [1]), "expects a torch.nn.Module, got MLP"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(module, message):
    with pytest.raises(TypeError, match=f"from_torch .*{message}"):
        from_torch(module)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (vector.Sequential(vector.Dense(2, 2), vector.Attention(2, 1)), r"Attention\(2, 1\) at 'modules.1'"),
        (vector.Sequential(vector.Residual(np.tanh)), "tanh.* at 'modules.0.modules.0'"),
        (nn.Neuron(2), r"Neuron\(2, 'relu'\)"),
        (scalar.GPT(3, 4, 2), "GPT"),
        (torch.nn.Linear(2, 2), "expects a Module such as"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_named(model, message):
    with pytest.raises(TypeError, match=f"to_torch .*{message}"):
        to_torch(model)


def test_work_in_place_before_the_last_use_of_an_input():
    def f(x, a):
        y = a(x)
        z = F.relu(a(y), inplace=True)
        z += y
        return z

    with torch.no_grad():
        net = functional(f, torch.nn.Linear(6, 6))
        x = torch.linspace(-1.0, 1.0, 6)[None]
        close(from_torch(net)(x.numpy()).data, net(x).numpy())


STEPS = {  # each changes a list of tensors, given the index of one of them
    "new": lambda z, i: z.append(z[i].sin()),
    "name": lambda z, i: z.append(z[i]),
    "view": lambda z, i: z.append(z[i].flatten(1)),
    "getitem": lambda z, i: z.append(z[i][:]),
    "add": lambda z, i: z.__setitem__(i, operator.iadd(z[i], z[i].sin())),
    "relu": lambda z, i: z[i].relu_(),
    "tanh": lambda z, i: z.__setitem__(i, z[i].tanh()),
    "dropout": lambda z, i: z.append(F.dropout(z[i], 0.5, False)),
}
NUMBERS = st.integers(0, 2)


@given(st.lists(st.tuples(st.sampled_from([*STEPS]), NUMBERS), max_size=8), NUMBERS)
def test_any_work_in_place_is_converted_or_refused(steps, last):
    """Every `forward` that can be converted gives PyTorch's results, whatever its names share."""

    def f(x):
        z = [x.tanh()]
        for name, i in steps:
            STEPS[name](z, -1 - i % len(z))
        return z[-1 - last % len(z)]

    module = functional(f)
    try:
        model = from_torch(module)
    except TypeError:
        return
    close(model(X).data, module(torch.tensor(X)).numpy())


def test_a_compiled_network_is_converted():
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    compiled = torch.compile(net, backend="eager")
    assert repr(from_torch(compiled)) == "Sequential(Dense(2, 2, 'relu'))"
    assert [*torch_names(compiled).values()] == [*compiled.state_dict()]


def test_tensors_change_the_checksum_of_a_build():
    a, b = torch.tensor([1.0]), torch.nn.Parameter(torch.tensor([2.0], dtype=torch.bfloat16))
    sums = [code_checksum(lambda: x) for x in (a, a + 1.0, b)]  # noqa: B023
    assert len({*sums}) == 3


def test_without_the_library_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    for f in (to_torch, from_torch):
        message = (
            f"{f.__name__} requires torch, which is not installed: pip install 'stepgrad[torch]'"
        )
        with pytest.raises(ImportError, match=re.escape(message)):
            f(nn.MLP(2, [1]))


def test_the_demo_compares_every_gradient(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "EPOCHS", 20)
    demo.main(tmp_path)
    printed = capsys.readouterr().out
    rows = re.findall(r"^(\w+\.\w+) .* (\S+)$", printed, re.M)
    assert [name for name, _ in rows] == [*dict(demo.Net().named_parameters())]
    assert all(float(difference) < 1e-14 for _, difference in rows)
    page = (tmp_path / "from_torch.html").read_text("utf-8")
    assert "4 neurons, silu" in page


def test_the_demo_steps_through_a_network_of_the_user(tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\nnet = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), "
        "torch.nn.ReLU(), torch.nn.Linear(4, 2))\nx = torch.ones(3, requires_grad=True)\n"
    )
    demo.main(tmp_path, file=file)
    assert re.search(r"^1\.weight .* \d\.\de[-+]\d+$", capsys.readouterr().out, re.M)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1", "defines net and x, the inputs of one sample; it has no net"),
        ("net = torch.nn.Tanh()", "it has no x"),
        ("net, x = 3, 1", "net must be a torch.nn.Module, got 3"),
        ("net, x = torch.nn.Tanh(), 'abc'", "x must be the inputs of one sample as numbers, got 'abc'"),
        ("net = torch.nn.Tanh(\n", r"SyntaxError: '\(' was never closed"),
        ("net = linear(2, 2)", "NameError in line 2: name 'linear' is not defined"),
        ("import no_library", "ModuleNotFoundError in line 2: No module"),
        ("x = open('/no/file')", "FileNotFoundError in line 2: "),
        ("net, x = torch.nn.Conv2d(1, 2, 3), 1", r"from_torch cannot convert Conv2d"),
        ("net, x = torch.nn.Dropout(), 1", r"'Dropout' object has no attribute 'to_scalar'; only modules"),
        ("net, x = torch.nn.Linear(3, 2), 1", "Layer expects 3 inputs, got 1"),
        ("net, x = torch.nn.Embedding(3, 2), 1", "Embedding expects integer indices"),
        (None, "No such file or directory; choose a Python file"),
    ],
)  # fmt: skip
def test_the_demo_names_what_is_wrong_in_one_line(code, message, tmp_path):
    file = tmp_path / "mine.py"
    if code is not None:
        file.write_text(f"import torch\n{code}\n")
    with pytest.raises(SystemExit) as stop:
        demo.main(tmp_path, file=file)
    assert re.fullmatch(f"--file {file}: .*{message}.*", stop.value.code)


@pytest.mark.parametrize("module", [state_names, torch_reader, torch_writer])
def test_examples(module):
    torch.set_default_dtype(torch.float32)
    try:
        result = doctest.testmod(module)
    finally:
        torch.set_default_dtype(torch.float64)
    assert result.attempted
    assert not result.failed


def test_a_copy_of_a_network_is_independent():
    module = to_torch(model := whole())
    back = from_torch(module)
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        module[0].weight.zero_()
    assert back.modules[0].weight.data.any()
    assert model.state_dict()["modules.0.weight"].tolist() == before["modules.0.weight"].tolist()


@pytest.mark.parametrize("code", [code for code in BLOCKS if EXTRAS.search(code)])
def test_code_of_the_documents(code, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.set_default_dtype(torch.float32)
    try:
        check_output(code, capsys)
    finally:
        torch.set_default_dtype(torch.float64)
