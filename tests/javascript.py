"""A JavaScript program that evaluates printed rows, driven through a pipe."""

import base64
import json
import re
import shutil
import struct
import subprocess
import tempfile
import zlib
from contextlib import contextmanager

from browsers import missing
from engine.draw.page.javascript import RUNTIME

# Numbers travel as the hexadecimal digits of their bits.
PROGRAM = """
const view = new DataView(new ArrayBuffer(8));
const read = (text) => (view.setBigUint64(0, BigInt("0x" + text)), view.getFloat64(0));
const write = (x) => (view.setFloat64(0, x), view.getBigUint64(0).toString(16).padStart(16, "0"));
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { code, points } = JSON.parse(line), f = eval(code);
  console.log(JSON.stringify(points.map((args) => f(...args.map((xs) => xs.map(read))).map(write))));
});
"""


def find_node():
    """Return the path of node: the system's, or the one that playwright brings."""
    if program := shutil.which("node"):
        return program
    try:
        from playwright._impl._driver import compute_driver_executable
    except ImportError:
        missing("neither node nor playwright is installed")
    return compute_driver_executable()[0]


@contextmanager
def javascript():
    """Yield a function that maps JavaScript code and lists of arguments to lists of results.

    The code is a function of arrays of numbers that returns an array of numbers.
    """
    with node(RUNTIME.read_text("utf-8") + PROGRAM) as ask:

        def evaluate(code, points):
            hexadecimal = [[[to_hex(x) for x in xs] for xs in args] for args in points]
            results = ask({"code": code, "points": hexadecimal})
            return [[from_hex(x) for x in xs] for xs in results]

        yield evaluate


@contextmanager
def node(program):
    """Yield a function that sends a line of JSON to a program, and returns the line it answers."""
    file = tempfile.NamedTemporaryFile("w", suffix=".js", encoding="utf-8")  # noqa: SIM115
    file.write(program)  # it is too long for an argument
    file.flush()
    process = subprocess.Popen(
        [find_node(), file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def ask(question):
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.stdin.close()
    process.stdout.close()
    process.wait()
    file.close()


def read_data(page, id):
    """Return the data of an element of a page's HTML."""
    text = re.search(rf'id="{id}">(.*?)</script>', page, re.S)[1]
    return json.loads(zlib.decompress(base64.b64decode(text), wbits=-15))


def read_views(page):
    """Return the views of a stepper's page as data, with the pieces of formulas in their places."""
    views = json.loads(re.search(r'id="first">(.*?)</script>', page, re.S)[1])["views"]
    for i, view in enumerate(views):
        data = read_data(page, f"view{i}")
        frames = [frame for run in data["runs"] for frame in run["frames"]]
        for record in [*data["facts"], *frames]:
            record["lines"] = [[data["pieces"][k] for k in line] for line in record["lines"]]
        view |= data
    return views


def unpack(page):
    """Return a page with the text of its compressed parts, whose bytes depend on zlib's version."""

    def inflate(match):
        try:
            return zlib.decompress(base64.b64decode(match[0]), wbits=-15).decode()
        except (ValueError, zlib.error):  # a picture
            return match[0]

    return re.sub(r"[A-Za-z0-9+/]{200,}={0,2}", inflate, page)


def to_hex(x):
    return struct.pack(">d", x).hex()


def from_hex(text):
    return struct.unpack(">d", bytes.fromhex(text))[0]
