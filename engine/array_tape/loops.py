"""Compiled loops, and the cache of their machine code on disk.

Loading machine code from a file is much faster than compiling it. The files are beside this one, in
the user's cache directory, or in NUMBA_CACHE_DIR. The name of a file is a hash of the source, the
compiler and the processor. A file begins with a checksum, so that incomplete files are not used,
and it is renamed when it is complete, so that no other process reads a part of it. If no directory
is writable, each process compiles its own code.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from threading import RLock, get_ident
from typing import Any

import numpy as np

HEAD = object.__basicsize__  # bytes of a NumPy array object before the address of its data
FUNCTION = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)  # runs without the GIL
# The format of a number in a slot of 8 bytes, by dtype.
SLOTS = {"float64": "d", "float32": "f4x", "int64": "q", "bool": "?7x"}
pack_sizes = struct.Struct("=3q").pack
DIGEST = 32  # bytes of a checksum
LOCK = RLock()
# NumPy's order of a sum along a contiguous axis: blocks of up to 128 elements, each in 8 parts,
# whose sums are added in pairs.
PAIRWISE = """
def add_block(x, first, n):
    if n < 8:
        total = x[first]
        for k in range(first + 1, first + n):
            total += x[k]
        return total
    a, b, c, d = x[first], x[first + 1], x[first + 2], x[first + 3]
    e, f, g, h = x[first + 4], x[first + 5], x[first + 6], x[first + 7]
    end = first + n - n % 8
    for k in range(first + 8, end, 8):
        a += x[k]
        b += x[k + 1]
        c += x[k + 2]
        d += x[k + 3]
        e += x[k + 4]
        f += x[k + 5]
        g += x[k + 6]
        h += x[k + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for k in range(end, first + n):
        total += x[k]
    return total


def pairwise(x, first, n):
    if n <= 128:
        return add_block(x, first, n)
    half = n // 2
    half -= half % 8
    return pairwise(x, first, half) + pairwise(x, first + half, n - half)
"""


class Loop:
    """A compiled function of two sizes, some numbers, and some arrays in C order.

    `numbers` and `arrays` are the dtypes of the last two.

    >>> source = "def NAME(m, n, c0, a0, o0):\\n    for i in range(m):\\n        o0[i] = c0 * a0[i]"
    >>> double, out = Loop(source, ["float64"], ["float64", "float64"]), np.empty(3)
    >>> double(3, 1, 2.0, np.arange(3.0), out)
    >>> out
    array([0., 2., 4.])
    """

    def __init__(self, source: str, numbers: Sequence[str], arrays: Sequence[str]):
        make = lambda name: compiler().build_loop(name, source, PAIRWISE, numbers, arrays, HEAD)
        self.address = load_function(f"{source}{PAIRWISE}{numbers}{arrays}{HEAD}", make)
        self.function, self.count = FUNCTION(self.address), len(numbers)
        self.widths = np.array([np.dtype(x).itemsize for x in arrays])  # bytes of an element
        # bytes of the numbers as the function reads them, and of the addresses of array objects
        self.pack_numbers = struct.Struct("".join(["=", *[SLOTS[x] for x in numbers], "8x"])).pack
        self.pack_objects = struct.Struct(f"={len(arrays)}q").pack

    def __call__(self, m: int, n: int, *values: Any) -> None:
        self.run(m, n, values[: self.count], values[self.count :])

    def run(self, m: int, n: int, numbers: Iterable[Any], arrays: Iterable[np.ndarray]) -> None:
        """Call the function."""
        objects = self.pack_objects(*map(id, arrays))
        self.function(objects, pack_sizes(m, n, n), None, self.make_numbers(numbers))

    def make_numbers(self, numbers: Iterable[Any]) -> bytes:
        """Return numbers as the function reads them: rounded, and each in a slot of 8 bytes."""
        numbers = tuple(numbers)
        try:
            return self.pack_numbers(*numbers)
        except OverflowError:  # beyond float32's range
            with np.errstate(over="ignore"):
                return self.pack_numbers(*map(np.float32, numbers))


def address_of(x: np.ndarray) -> int:
    """Return the address of the first element of an array."""
    return ctypes.c_int64.from_address(id(x) + HEAD).value


def compiler() -> Any:
    from engine.array_tape import llvm

    return llvm


# ---------------------------------------------------------------------------------- code on disk

ADDRESSES: dict[str, int] = {}  # of functions, by the key of `load_function`


def load_function(key: str, make: Callable[[str], Any]) -> int:
    """Return the address of a function. `make(name)` returns its LLVM module.

    The key determines the code. `make` is called only if the code is neither loaded nor on disk.
    """
    with LOCK:
        if key not in ADDRESSES:
            name = f"loop_{sha256((key + describe_environment()).encode()).hexdigest()[:32]}"
            code = read_code(name)
            if code is None:
                code = compiler().compile_module(make(name))
                write_code(name, code)
            ADDRESSES[key] = add_code(name, code)
        return ADDRESSES[key]


def add_code(name: str, code: bytes) -> int:
    """Load object code, and return the address of its function."""
    from llvmlite import binding

    _, linker = make_linker()
    linker.add_object_file(binding.object_file.ObjectFileRef.from_data(code))
    linker.finalize_object()
    return linker.get_function_address(name)


@cache
def make_linker() -> tuple[Any, Any]:
    """Return an LLVM module, and the linker to which the code of all loops is added."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(jit=True)
    module = binding.parse_assembly("")
    return module, binding.create_mcjit_compiler(module, machine)


@cache
def describe_environment() -> str:
    """Return the compiler and the processor, on which the code of every loop depends."""
    import llvmlite
    from llvmlite import binding

    features = binding.get_host_cpu_features().flatten()
    machine = f"{binding.get_process_triple()} {binding.get_host_cpu_name()} {features}"
    source = Path(__file__).with_name("llvm.py").read_text(encoding="utf-8")
    return f"{llvmlite.__version__} {machine} {source}"


def read_code(name: str) -> bytes | None:
    """Return the code in a file, or None if there is no complete file of this name."""
    for folder in cache_folders():
        try:
            content = (folder / name).read_bytes()
        except OSError:
            continue
        digest, code = content[:DIGEST], content[DIGEST:]
        if code and sha256(name.encode() + code).digest() == digest:
            return code
    return None


def write_code(name: str, code: bytes) -> None:
    """Write code to a file in the first writable directory."""
    for folder in cache_folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # tempfile would draw a random name, which looks like a draw of a recorded function.
            path = folder / f"{name}.{os.getpid()}.{get_ident()}"
            path.touch()
        except OSError:
            continue
        try:
            path.write_bytes(sha256(name.encode() + code).digest() + code)
            path.replace(folder / name)
        except OSError:  # the disk is full, or, on Windows, the file is being read
            path.unlink()
            continue
        return


def cache_folders() -> list[Path]:
    """Return the directories for cached code, the preferred one first."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(chosen) / "stepgrad"]
    beside = Path(__file__).parent / "__pycache__"
    chosen = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    try:
        home = Path(chosen) if chosen else Path.home() / ".cache"
    except RuntimeError:  # the user has no home directory, as in a container
        return [beside]
    return [beside, home / "stepgrad"]
