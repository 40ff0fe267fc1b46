"""Checkpoints: saving and loading, files that do not fit, and training that was interrupted."""

import copy
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn import (
    MLP,
    CheckpointError,
    Layer,
    archive,
    fit,
    load,
    losses,
    optim,
    save,
    schedules,
    vector,
)
from strategies import examples
from training import BLOBS, SETTINGS, jitter, network

ROOT = Path(__file__).parents[1]


def test_a_checkpoint_is_not_a_model(tmp_path):
    """nn.load(path) reads a file; programs for other libraries expect the model from it."""
    save(tmp_path / "m.ckpt", MLP(2, [1]))
    read = load(tmp_path / "m.ckpt")
    for use in (
        lambda: read([1.0, 2.0]),
        lambda: read.parameters(),
        lambda: read.forward([1.0, 2.0]),
        lambda: fit(read, [[1.0, 2.0]], [1.0], loss="mse", epochs=1),
    ):
        with pytest.raises((TypeError, AttributeError), match=r"call nn\.load\(path, model\)$"):
            use()
    with pytest.raises(AttributeError, match=r"^'Checkpoint' object has no attribute 'foo'$"):
        read.foo  # noqa: B018
    assert copy.deepcopy(read) == read == (0, {}, {})


MODELS = {"scalar": lambda seed=0: MLP(2, [4, 3], rng=seed), "vector": network}
models = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)


def same(a, b):
    """Return whether two nested states have the same bits."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and (a == b or a != a != b)


def state(model, optimizer, rng):
    generators = [
        generator.bit_generator.state for generator in [*model.generators().values(), rng]
    ]
    return copy.deepcopy([model.state_dict(), optimizer.state_dict(), generators])


def trained(make, rule="adamw", seed=0):
    """Return a model, its optimizer and a generator after some steps."""
    model, rng = make(seed), np.random.default_rng(seed)
    optimizer = optim.get(rule)(model.parameters())
    for _ in fit(model, *BLOBS, loss="cross_entropy", epochs=2, optimizer=optimizer, rng=rng):
        pass
    return model, optimizer, rng


# -------------------------------------------------------------------------------- save and load


@models
@pytest.mark.parametrize("rule", optim.OPTIMIZERS)
def test_everything_is_restored_bit_for_bit(make, rule, tmp_path):
    model, optimizer, rng = trained(make, rule)
    saved, schedule = state(model, optimizer, rng), schedules.cosine(0.1, steps=50)
    save(
        tmp_path / "a", model, optimizer=optimizer, schedule=schedule, rng=rng, epoch=2,
        settings={"batch_size": 32}, extra={"note": "two epochs"},
    )  # fmt: skip
    other = trained(make, rule, seed=1)
    assert not same(saved, state(*other))
    checkpoint = load(
        tmp_path / "a", other[0], optimizer=other[1], rng=other[2],
        schedule=schedules.cosine(0.1, steps=50),
    )  # fmt: skip
    assert same(saved, state(*other))
    assert checkpoint == (2, {"batch_size": 32}, {"note": "two epochs"})
    assert same(saved, state(model, optimizer, rng))  # saving changes nothing


def test_the_file_is_a_copy(tmp_path):
    """Later training does not change what was loaded."""
    model, optimizer, rng = trained(network)
    save(tmp_path / "a", model, optimizer=optimizer)
    load(tmp_path / "a", model, optimizer=optimizer)
    saved = state(model, optimizer, rng)
    for p in optimizer.parameters:
        p.grad = np.ones(p.shape)
    optimizer.step()
    load(tmp_path / "a", model, optimizer=optimizer)
    assert same(saved, state(model, optimizer, rng))


def test_the_same_state_gives_the_same_bytes(tmp_path):
    for name in "ab":
        model, optimizer, rng = trained(network)
        save(tmp_path / name, model, optimizer=optimizer, rng=rng)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_without_a_model_the_file_is_only_read(tmp_path):
    save(tmp_path / "a", network(), epoch=7)
    assert load(tmp_path / "a").epoch == 7


# ---------------------------------------------------------------------- files that do not fit


class Plain(vector.Sequential):
    """A module whose repr does not show its parts, as the default repr of a user's module."""

    def __repr__(self):
        return "Plain()"


OTHERS = {
    "another width": (
        lambda: Plain(vector.Dense(3, 8), *network().modules[1:]),
        "modules.0.weight: shape (8, 3) in the model, (8, 2) in the state",
    ),
    "a layer less": (
        lambda: Plain(*network().modules[:3]),
        "modules.3.weight: no such parameter",
    ),
    "no dropout": (
        lambda: Plain(*[network().modules[i] for i in (0, 1, 3)]),
        "the model has random generators [], the file ['modules.2.rng']",
    ),
    "scalars": (
        lambda: MLP(2, [8, 3]),
        "it was saved from Plain() of float32, not MLP(2, [8, 3], 'relu') of float64",
    ),
}


@pytest.mark.parametrize(("make", "message"), OTHERS.values(), ids=OTHERS)
def test_another_model_is_rejected_and_unchanged(make, message, tmp_path):
    save(tmp_path / "run", Plain(*network().modules))
    model = make()
    before = model.state_dict()
    with pytest.raises(CheckpointError) as refused:
        load(tmp_path / "run", model)
    assert message in str(refused.value)
    assert str(tmp_path / "run") in str(refused.value)
    assert same(before, model.state_dict())


UNLIKE = [
    lambda: vector.MLP(2, [8, 3]),
    lambda: vector.MLP(2, [8, 3], "tanh"),
    lambda: vector.MLP(2, [8, 3], dtype=float),
    lambda: vector.MLP(2, [8, 3], dropout=0.1),
    lambda: vector.MLP(2, [8, 3], dropout=0.5),
    lambda: vector.Sequential(vector.BatchNorm(2)),
    lambda: vector.Sequential(vector.BatchNorm(2, momentum=0.5)),
    lambda: vector.Sequential(vector.BatchNorm(2, eps=1e-3)),
]


@pytest.mark.parametrize("saved", range(len(UNLIKE)))
def test_a_file_fits_its_own_model_only(saved, tmp_path):
    """Models with weights of the same shapes are different if their reprs or dtypes are."""
    save(tmp_path / "run", UNLIKE[saved]())
    for k, make in enumerate(UNLIKE):
        if k == saved:
            load(tmp_path / "run", make())
        else:
            with pytest.raises(CheckpointError, match="build the model as it was saved"):
                load(tmp_path / "run", make())


@pytest.mark.parametrize("wrong", [{"model": "m"}, {"optimizer": "adam"}, {"rng": 0}], ids=str)
def test_a_wrong_argument_is_not_an_error_in_the_file(wrong, tmp_path):
    arguments = {"model": network(), **wrong}
    for call in (save, load):
        with pytest.raises(TypeError, match=f"{next(iter(wrong))} must be an? .*, got"):
            call(tmp_path / "run", **arguments)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", ["", "."])
def test_a_checkpoint_is_a_file(path):
    with pytest.raises(ValueError, match=f"the name of a file, got '{path}'"):
        fit(network(), *BLOBS, **SETTINGS, epochs=1, checkpoint=path)


def test_lambdas_are_identified_by_their_contents(tmp_path):
    """All lambdas have the same name."""

    def losing(smoothing):
        return lambda z, y: losses.cross_entropy(z, y, smoothing=smoothing)

    def train(loss, epochs):
        settings = {**SETTINGS, "loss": loss, "epochs": epochs}
        return list(fit(network(), *BLOBS, **settings, checkpoint=tmp_path / "run"))

    train(losing(0.1), 1)
    assert len(train(losing(0.1), 2)) == 1
    with pytest.raises(CheckpointError, match="loss='<lambda>"):
        train(losing(0.9), 3)


REFUSALS = [
    (lambda m, o, r: {"optimizer": optim.SGD(m.parameters())}, "AdamW over 6 parameters, this is"),
    (lambda m, o, r: {"optimizer": optim.AdamW(m.parameters()[:3])}, "over 3; build the optimizer"),
    (lambda m, o, r: {"schedule": schedules.cosine(0.1, 51)}, "another schedule; pass the one"),
    (
        lambda m, o, r: {"rng": np.random.Generator(np.random.MT19937(0))},
        "PCG64, the generator a MT",
    ),
    (lambda m, o, r: {"settings": {"batch_size": 64}}, "batch_size=32, not 64"),
    (lambda m, o, r: {"settings": {"clip": 1.0}}, "clip=None, not 1.0"),
]


@pytest.mark.parametrize(("others", "message"), REFUSALS)
def test_a_part_that_does_not_fit_is_rejected_and_nothing_changes(others, message, tmp_path):
    model, optimizer, rng = trained(network)
    save(
        tmp_path / "run", model, optimizer=optimizer, rng=rng,
        schedule=schedules.cosine(0.1, 50), settings={"batch_size": 32},
    )  # fmt: skip
    mine = trained(network, seed=1)
    before = state(*mine)
    parts = {"optimizer": mine[1], "rng": mine[2], **others(*mine)}
    with pytest.raises(CheckpointError, match=re.escape(message)):
        load(tmp_path / "run", mine[0], **parts)
    assert same(before, state(*mine))


@pytest.mark.parametrize("part", ["optimizer", "schedule", "rng"])
def test_a_part_that_was_not_saved_is_not_loaded(part, tmp_path):
    model, optimizer, rng = trained(network)
    save(tmp_path / "run", model)
    parts = {"optimizer": optimizer, "schedule": schedules.constant(0.1), "rng": rng}
    with pytest.raises(CheckpointError, match=f"it was saved without the {part}"):
        load(tmp_path / "run", model, **{part: parts[part]})


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        load(tmp_path / "none", network())


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
trees = st.recursive(
    leaves, lambda t: st.lists(t, max_size=3) | st.dictionaries(st.text(max_size=3), t, max_size=3)
)


@examples(50)
@given(place=st.integers(0, 10**6), wrong=trees)
def test_an_intact_file_with_a_wrong_part_is_rejected_or_loaded(place, wrong):
    """Only CheckpointError is raised, and nothing changes then."""
    model, optimizer, rng = trained(network)
    tree = {
        "model": model.state_dict(), "generators": {"modules.2.rng": model.modules[2].rng.bit_generator.state},
        "optimizer": optimizer.state_dict(), "schedule": None, "rng": rng.bit_generator.state,
        "epoch": 1, "settings": {}, "extra": {},
    }  # fmt: skip
    spots = list(places(tree))
    holder, key = spots[place % len(spots)]
    holder[key] = wrong
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"wrong-{os.getpid()}"
    archive.write(path, tree)
    mine = trained(network, seed=1)
    before = state(*mine)
    try:
        load(path, mine[0], optimizer=mine[1], rng=mine[2])
    except CheckpointError:
        assert same(before, state(*mine))
    finally:
        path.unlink()


def places(tree):
    """Generate the pairs of a container in a tree and a key in it."""
    for key, part in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield tree, key
        if isinstance(part, dict | list):
            yield from places(part)


@pytest.mark.parametrize(
    "place", [-(2**31), -1, 625, 2**31 - 1, 2**70, 1.5, float("nan"), "1", None, [1, 2]]
)
@pytest.mark.parametrize("kind", ["MT19937", "Philox"])
def test_a_generator_with_a_position_outside_its_buffer_is_rejected(kind, place, tmp_path):
    """NumPy does not check the position; it would read other memory, or crash."""
    rng = np.random.Generator(getattr(np.random, kind)(0))
    save(tmp_path / "run", MLP(2, [1]), rng=rng)
    tree = archive.read(tmp_path / "run")
    holder, name = (
        (tree["rng"]["state"], "pos") if kind == "MT19937" else (tree["rng"], "buffer_pos")
    )
    holder[name] = place
    archive.write(tmp_path / "run", tree)
    before = rng.bit_generator.state
    with pytest.raises(CheckpointError):
        load(tmp_path / "run", rng=rng)
    assert same(before, rng.bit_generator.state)


# --------------------------------------------------------------------- interrupted training


@models
@pytest.mark.parametrize("stop", [1, 3, 5])
def test_resumed_training_ends_with_the_same_bits(make, stop, tmp_path):
    """Weights and records are the same, except for the seconds."""
    whole, parts = make(), make()
    straight = list(fit(whole, *BLOBS, epochs=5, augment=jitter, **SETTINGS))
    again = {**SETTINGS, "epochs": 5, "augment": jitter, "checkpoint": tmp_path / "run"}
    first = list(itertools.islice(fit(parts, *BLOBS, **again), stop))
    resumed = make(seed=9)
    rest = list(fit(resumed, *BLOBS, **again))
    assert same(whole.state_dict(), resumed.state_dict())
    assert [r[:-1] for r in first + rest] == [r[:-1] for r in straight]
    records = load(tmp_path / "run").extra["records"]
    assert [tuple(r[:-1]) for r in records] == [r[:-1] for r in straight]


def test_early_stopping_resumes(tmp_path):
    """The best weights and their age are in the file."""
    again = {**SETTINGS, "patience": 2, "epochs": 200}
    whole, resumed = network(), network()
    straight = [r.epoch for r in fit(whole, *BLOBS, **again)]
    for _ in straight:
        training = fit(resumed, *BLOBS, **again, checkpoint=tmp_path / "run")
        next(training)
        training.close()
        resumed = network(seed=4)
    assert list(fit(resumed, *BLOBS, **again, checkpoint=tmp_path / "run")) == []
    assert same(whole.state_dict(), resumed.state_dict())


def test_more_epochs_can_be_requested_later(tmp_path):
    whole, resumed = network(), network()
    list(fit(whole, *BLOBS, **SETTINGS, epochs=4))
    for epochs in (2, 2, 4):
        list(fit(resumed, *BLOBS, **SETTINGS, epochs=epochs, checkpoint=tmp_path / "run"))
    assert same(whole.state_dict(), resumed.state_dict())


OTHER_RUNS = [
    ({"loss": "mse"}, "loss='cross_entropy', not 'mse'"),
    ({"batch_size": 8}, "batch_size=16, not 8"),
    ({"optimizer": "adam"}, "optimizer='AdamW', not 'Adam'"),
    ({"augment": jitter}, "augment=None, not 'jitter'"),
    ({"optimizer": "adam", "schedule": None, "lr": 0.1}, "lr=None, not 0.1"),
    ({"validation": 0.3}, "validation=0.2, not 0.3"),
    ({"schedule": schedules.cosine(0.02, 41)}, "another schedule"),
]


@pytest.mark.parametrize(("changed", "message"), OTHER_RUNS)
def test_another_training_does_not_resume_from_it(changed, message, tmp_path):
    again = {**SETTINGS, "epochs": 2, "checkpoint": tmp_path / "run"}
    list(fit(network(), *BLOBS, **again))
    with pytest.raises(CheckpointError, match=re.escape(message)):
        fit(network(), *BLOBS, **{**again, **changed})


def test_other_samples_are_detected(tmp_path):
    again = {**SETTINGS, "epochs": 2, "checkpoint": tmp_path / "run"}
    list(fit(network(), *BLOBS, **again))
    X, y = BLOBS
    with pytest.raises(CheckpointError, match=r"samples X='\(60, 2\) \w+', not '\(60, 2\) \w+'"):
        fit(network(), X * 1.0001, y, **again)


PROGRAM = """
import sys
import numpy as np
sys.path.insert(0, "tests")
from training import BLOBS, SETTINGS, jitter, network
from nn import fit, save
model, (path, end) = network(), sys.argv[1:]
print("ready", flush=True)
training = fit(model, *BLOBS, **SETTINGS, epochs=60, augment=jitter, checkpoint=path)
for record in training:
    print(record.epoch, flush=True)
save(end, model)
"""


@pytest.fixture(scope="module")
def straight_end(tmp_path_factory):
    """Return the file of a training that is not interrupted."""
    folder = tmp_path_factory.mktemp("straight")
    finish(folder / "run", folder / "end")
    return (folder / "end").read_bytes()


def started(*paths, pause=""):
    command = [sys.executable, "-c", PROGRAM, *map(str, paths)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PAUSE": pause},
    )  # fmt: skip


def finish(*paths):
    process = started(*paths)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


def test_a_killed_training_ends_with_the_same_bits(tmp_path, straight_end):
    """The process gets SIGKILL after random delays several times, then runs to the end."""
    rng = np.random.default_rng(0)
    for delay in rng.uniform(0.0, 0.15, 6):
        process = started(tmp_path / "run", tmp_path / "end")
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.communicate()
        if (tmp_path / "run").exists():
            load(tmp_path / "run")  # complete at any time
    finish(tmp_path / "run", tmp_path / "end")
    assert (tmp_path / "end").read_bytes() == straight_end


def test_ctrl_c_stops_cleanly_with_a_message_about_resuming(tmp_path, straight_end):
    process = started(tmp_path / "run", tmp_path / "end", pause="3")
    while process.stdout.readline().strip() != "paused":
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (1, 130, -signal.SIGINT)
    message = (
        f"stopped in epoch 3; the same call to fit resumes after epoch 2, from {tmp_path / 'run'}"
    )
    assert f"KeyboardInterrupt: {message}" in errors
    assert load(tmp_path / "run").epoch == 2
    finish(tmp_path / "run", tmp_path / "end")
    assert (tmp_path / "end").read_bytes() == straight_end


@pytest.mark.parametrize("patience", [None, 30])
@pytest.mark.parametrize("saved", [True, False])
def test_an_interrupt_in_an_epoch_restores_the_saved_model(saved, patience, tmp_path):
    """This holds in the middle of a step, too, when only some weights have been updated."""
    model, path = network(), tmp_path / "run"
    calls = itertools.count()

    def interrupting(X, epoch, rng):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return X

    settings = {**SETTINGS, "patience": patience, "epochs": 5, "augment": interrupting}
    with pytest.raises(KeyboardInterrupt) as stopped:
        list(fit(model, *BLOBS, **settings, checkpoint=path if saved else None))
    if saved:
        assert (
            str(stopped.value)
            == f"stopped in epoch 3; the same call to fit resumes after epoch 2, from {path}"
        )
        other = network(seed=5)
        load(path, other)
        assert same(model.state_dict(), other.state_dict())
    else:
        assert "stopped in epoch 3; nothing was saved" in str(stopped.value)
    assert not model.training


@pytest.mark.parametrize("epoch", [1, 3])
def test_the_message_of_an_interrupt_during_saving_depends_on_the_file(
    epoch, tmp_path, monkeypatch
):
    model, path, calls = network(), tmp_path / "run", itertools.count(1)

    def replace(path, content, own=archive.replace):
        if next(calls) == epoch:
            raise KeyboardInterrupt
        own(path, content)

    monkeypatch.setattr(archive, "replace", replace)
    message = "no epoch was finished" if epoch == 1 else "resumes after epoch 2"
    with pytest.raises(KeyboardInterrupt, match=f"stopped in epoch {epoch}; .*{message}"):
        list(fit(model, *BLOBS, **SETTINGS, epochs=5, checkpoint=path))
    again = list(fit(network(), *BLOBS, **SETTINGS, epochs=5, checkpoint=path))
    assert [record.epoch for record in again] == list(range(epoch, 6))


def test_fit_does_not_resume_from_a_file_of_save(tmp_path):
    save(tmp_path / "run", network())
    with pytest.raises(CheckpointError, match="not written by fit"):
        fit(network(), *BLOBS, **SETTINGS, epochs=2, checkpoint=tmp_path / "run")


def test_settings_of_any_type_are_compared(tmp_path):
    settings = {"a": np.array([1, 2]), "b": float("nan"), "c": [1.0, (2,)]}
    save(tmp_path / "run", network(), settings=settings)
    load(tmp_path / "run", settings=settings)
    with pytest.raises(CheckpointError, match=r"b=nan, not 1\.0"):
        load(tmp_path / "run", settings={**settings, "b": 1.0})


def test_another_activation_and_another_dtype_are_detected(tmp_path):
    settings = {"loss": "cross_entropy", "epochs": 1, "checkpoint": tmp_path / "run"}
    list(fit(vector.MLP(2, [4, 3], "relu"), *BLOBS, **settings))
    with pytest.raises(CheckpointError, match=r"'relu'.*, not .*'tanh'"):
        fit(vector.MLP(2, [4, 3], "tanh"), *BLOBS, **settings)
    with pytest.raises(CheckpointError, match=r"dtypes=\['float32'\], not \['float64'\]"):
        fit(vector.MLP(2, [4, 3], dtype=float), *BLOBS, **settings)


PAIRS = {
    "MLP": lambda: MLP(2, [4, 1], rng=0),
    "Layer": lambda: Layer(2, 3, rng=0),
}


@pytest.mark.parametrize("make", PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_of_the_other_kind_is_rejected_with_the_conversion(make, dtype, tmp_path):
    scalar, path = make(), tmp_path / "run"
    vector_model = scalar.to_vector(dtype)
    for saved, other, message in [
        (scalar, vector_model, "load it into the network of Values, then call its to_vector()"),
        (vector_model, scalar, "load it into the network of Arrays, then call its to_scalar()"),
    ]:
        save(path, saved)
        with pytest.raises(CheckpointError, match=re.escape(message)):
            load(path, other)
        with pytest.raises(ValueError, match=re.escape(message)):
            other.load_state_dict(saved.state_dict())


@pytest.mark.parametrize("f", [save, load])
def test_the_path_comes_first(f):
    """PyTorch's order is the reverse; the message shows the right one."""
    with pytest.raises(TypeError, match=rf"{f.__name__} expects the path first, got MLP.*; write "):
        f(MLP(2, [1]), "m")
