"""A damaged checkpoint is read completely, or raises CheckpointError and changes nothing."""

import copy
import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nn import MLP, CheckpointError, archive, load, optim, save, vector
from soak.mutations import EDGES, mutate
from soak.watch import Tally, name_input, random, start, watch_reading

EARLY = ("empty", "not a checkpoint", "truncated or damaged")
GENERATORS = ("PCG64", "MT19937", "Philox", "SFC64")
# Python objects take more memory than JSON: the three bytes "{}," become two empty dicts.
FACTOR, LEAST = 100, 2**21


class Trap:
    """An object that creates a folder when its pickle is loaded."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("sprung",)


def make_training(generator: str) -> dict[str, Any]:
    """Return a model with every kind of state, an optimizer and a generator."""
    parts = [vector.Dense(2, 3, rng=1), vector.BatchNorm(3), vector.Dropout(0.2, rng=2)]
    model = MLP(2, [2, 1], rng=0) if generator == "SFC64" else vector.Sequential(*parts)
    rng = np.random.Generator(getattr(np.random, generator)(3))
    return {"model": model, "optimizer": optim.Adam(model.parameters()), "rng": rng}


def pack_state(given: dict[str, Any]) -> bytes:
    return archive.pack(
        [
            given["model"].state_dict(), given["optimizer"].state_dict(),
            given["rng"].bit_generator.state,
            [rng.bit_generator.state for rng in given["model"].generators().values()],
        ]
    )  # fmt: skip


# ------------------------------------------------------------------------------------ the inputs


def reseal(content: bytes) -> bytes:
    return content[: -archive.SEAL] + archive.checksum(content[: -archive.SEAL])


def zip_members(members: list[tuple[str, bytes]], rng: Random) -> bytes:
    """Return an archive of any members with a correct checksum."""
    buffer = io.BytesIO()
    kind = rng.choice([zipfile.ZIP_STORED] * 9 + [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
    with zipfile.ZipFile(buffer, "w", kind) as made:
        for name, member in members:
            made.writestr(zipfile.ZipInfo(name), member, kind)
        made.comment = bytes(archive.SEAL)
    return reseal(buffer.getvalue())


def draw_junk(rng: Random) -> Any:
    """Return a term to put in place of another."""
    nested: Any = []
    for _ in range(rng.choice([5, 150, 5000])):
        nested = [nested] if rng.random() < 0.5 else {"$tuple": [nested]}
    return rng.choice([
        None, True, -1, 0.5, 10**30, "x", "\x1b[31m\ud800", "x" * 999, [], {}, [[]] * 9, {"a": 1},
        {"$array": rng.choice([0, -1, 10**9, "0", [1], None, True])},
        {"$scalar": [rng.choice(["<f8", "|O", "U99", "i4,f4", {}, [], "<M8[s]", ">i2"]), "00" * 8]},
        {"$int": rng.choice(["0x" + "f" * 999, "-0x8000000000000000", "x", 1])},
        {"$float": rng.choice(["7ff8000000000000", "zz", "", 7])},
        {"$tuple": rng.choice([1, "ab", {}, [1, 2]])}, {"$": 1}, {"$$array": 0}, {"$array": 0, "b": 1},
        rng.choice(EDGES), -rng.choice(EDGES), nested,
    ])  # fmt: skip


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Return all pairs of a container in the tree and a key in it."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    pairs = [(tree, key) for key in keys]
    for key in keys:
        if isinstance(tree[key], dict | list):
            pairs += places(tree[key])
    return pairs


def rewrite_tree(head: bytes, rng: Random) -> bytes:
    """Return the tree with terms replaced by junk, repeated or removed."""
    tree = json.loads(head)
    known, every = places(tree["tree"]), places(tree)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at, key = rng.choice(known if rng.random() < 0.95 else every)
        other, its = rng.choice(known)
        kind = rng.random()
        try:
            if kind < 0.6:
                at[key] = draw_junk(rng)
            elif kind < 0.8:
                at[key] = copy.deepcopy(other[its])
            else:
                del at[key]
        except (LookupError, RecursionError):  # removed already, or too deep
            continue
    try:
        return json.dumps(tree).encode("utf-8", "surrogatepass")
    except RecursionError:
        return b"[" * 9999


def rewrite_header(member: bytes, rng: Random) -> bytes:
    """Return an array with a wrong header."""
    changes: dict[str, Any] = {
        "descr": rng.choice(["|O", "<c16", ">f4", "<f8", "i4,f4", "|V9", "<U9", [("a", "<f8")], 7]),
        "shape": rng.choice([(2**50,), (0, 2**62), (-1,), (3, -3), "x", (), (1,) * 70, (True,), 3]),
        "fortran_order": rng.choice([True, 1, "x"]),
    }
    header = {"descr": "<f8", "fortran_order": False, "shape": (3,)}
    header |= dict(rng.sample(sorted(changes.items()), rng.randrange(1, 3)))
    text = rng.choice([repr(header)] * 6 + ["(" * 900, "-" * 900, "__import__('os')", "1" * 9000])
    length = len(text) + rng.choice([0, 0, 0, -1, 999])
    magic = b"\x93NUMPY" + rng.choice([b"\1\0", b"\1\0", b"\1\0", b"\2\0", b"\3\0"])
    return magic + (length % 2**16).to_bytes(2, "little") + text.encode() + member[128:]


def draw_input(seeds: list[bytes], rng: Random) -> bytes:
    """Return an input; most are damaged and have a correct checksum."""
    kind = rng.random()
    content = rng.choice(seeds)
    if kind < 0.05:
        return mutate(seeds, rng)
    if kind < 0.08:
        trap = pickle.dumps(Trap())
        return rng.choice([trap, b"PK\3\4" + bytes(26) + b"stepgrad.json" + trap, b"", trap * 9])
    if kind < 0.45:
        return reseal(mutate(seeds, rng))
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        members = [(name, opened.read(name)) for name in opened.namelist()]
    if kind < 0.8:
        members[0] = members[0][0], rewrite_tree(members[0][1], rng)
    elif kind < 0.9:
        i = rng.randrange(1, len(members))
        trap = b"\x93NUMPY\1\0\x76\0" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"
        trapped = trap.ljust(127) + b"\n" + pickle.dumps([Trap()])
        members[i] = members[i][0], rng.choice([rewrite_header(members[i][1], rng)] * 4 + [trapped])
    else:
        i, j = rng.randrange(len(members)), rng.randrange(len(members))
        other = mutate([content for _, content in members], rng)
        names = ["../x", "", "0.npy", "\x1b[31m", "x" * 999]
        members[i] = rng.choice([members[j], (members[i][0], other), (rng.choice(names), other)])
    return zip_members(members, rng)


# ---------------------------------------------------------------------------------------- reading


def soak(n: int, seed: int) -> Tally:
    """Load n files into a model, an optimizer and a generator, which are used afterwards."""
    tally = Tally()
    with TemporaryDirectory() as folder:
        os.chdir(folder)  # a sprung trap would be in this folder
        path = Path("some.ckpt")
        given, saved, seeds = {}, {}, {}
        for name in GENERATORS:
            given[name] = make_training(name)
            save(path, **given[name], epoch=3, settings={"lr": 0.1}, extra={"x": [1, (2.5, None)]})
            saved[name], seeds[name] = pack_state(given[name]), path.read_bytes()
            load(path, **given[name])
        start()
        for i in range(n):
            rng = random(seed, i)
            name = rng.choice(GENERATORS)
            other = rng.choice(GENERATORS)
            content = draw_input([seeds[name]] * 9 + [seeds[other]], rng)
            path.unlink()
            path.write_bytes(content)
            with name_input(i, seed, content):
                tally.ends[load_file(path, len(content), given[name], saved[name])] += 1
                assert os.listdir() == [path.name]
            if pack_state(given[name]) != saved[name]:
                path.write_bytes(seeds[name])
                load(path, **given[name])
        os.chdir("/")
    return tally


def load_file(path: Path, size: int, given: dict[str, Any], before: bytes) -> str:
    """Load a file, use its contents, and return the outcome."""
    with watch_reading(LEAST + FACTOR * size):
        try:
            checkpoint = load(path, **given)
        except CheckpointError as problem:
            message = str(problem)
        else:
            message = ""
    if not message:
        archive.pack([checkpoint.settings, checkpoint.extra])  # it contains only what can be saved
        for rng in [given["rng"], *given["model"].generators().values()]:
            rng.random(700), rng.integers(9, size=3, dtype=np.uint32)
        return "loaded"
    assert pack_state(given) == before, "the file was rejected, but something changed"
    assert message.startswith(f"{path}: "), message
    assert len(message) < 4000, f"a message of {len(message):,} characters"
    assert "\x1b" not in message, message
    message = message.removeprefix(f"{path}: ")
    if message.startswith(EARLY):
        return "- " + " ".join(message.split()[:3])
    return (
        "".join(c if c.isalpha() else " " for c in message.split("(")[-1]).split()[0][:9]
        if message.startswith("not as")
        else "does not fit"
    )
