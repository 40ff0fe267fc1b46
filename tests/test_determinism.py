"""The same program gives the same bits in every run."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = """
import copy, pickle, random
from engine import Value, dot, logsumexp, softmax, topological, total, walk

lumber = []

def moved(node):
    # What lies between the nodes in memory differs from run to run.
    lumber.append([Value(0.0) for _ in range(random.randrange(9))])
    return node

xs = [moved(Value(0.1 * i - 0.7, f"x{i}")) for i in range(12)]
node, layer = total(xs), xs
for i in range(5):
    layer = [moved(dot(layer[:6], layer[-6:], x).tanh()) * layer[0] + node for x in layer]
    node = total(softmax(layer)[:3]) / (1.5 + layer[i].sin() ** 2)
    layer += [moved(node), layer[0], node.maximum(layer[1])]
root = logsumexp(layer) + node * node + dot(xs, layer[:12], 1) + softmax(xs)[3]
root.backward()

def show(root):
    order = topological(root)
    place = {node: i for i, node in enumerate(order)}
    for node in order:
        inputs = [place[x] for x in node.inputs]
        print(node.op, node.label, repr(node.data), repr(node.grad), *inputs)

show(root)
show(copy.deepcopy(root))
show(pickle.loads(pickle.dumps(root)))
for step in walk(root):
    print(repr(step.upstream), [repr(sent.contribution) for sent in step.sent])
"""


def run(seed):
    env = {**os.environ, "PYTHONHASHSEED": seed}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True
    )


def test_five_processes_print_the_same():
    """Order, data, gradients and steps do not depend on hashes or addresses of nodes."""
    runs = [run(seed) for seed in ["0", "1", "2", "12345", "random"]]
    first, *others = [process.communicate()[0] for process in runs]
    assert [process.returncode for process in runs] == [0] * 5
    assert len(first.splitlines()) > 500
    assert all(process == first for process in others)
