"""Exercises on graphs of Values: the order of the nodes, and the backward pass."""

import re
from collections.abc import Callable, Iterable
from functools import cache
from itertools import combinations_with_replacement, product
from typing import Any

from engine import Value, topological
from engine.watch.wrong_passes import breadth_first
from nn.exercises.grader import Exercise, Observed, Run, WrongAnswer, check_type, compute_gradients

LEAVES, RESULTS = {"x": 2, "y": 3}, "abc"


@cache
def all_programs() -> list[tuple[str]]:
    """Return all programs of one and two operations, and those of three operations on x alone.

    A program is a text such as "x = 2, y = 3, a = x + y, b = a * x". Each result but the last is
    used.
    """
    programs = []
    for size in (1, 2, 3):
        names = ["xy"[: 4 - size] + RESULTS[:k] for k in range(size)]
        for right in product(*map(list_operations, names)):
            operands = find_operands(", ".join(right))
            if {*operands}.issuperset(RESULTS[: size - 1]):
                leaves = [(name, x) for name, x in LEAVES.items() if name in operands]
                lines = [*leaves, *zip(RESULTS, right, strict=False)]
                programs.append((", ".join(f"{name} = {line}" for name, line in lines),))
    return programs


def list_operations(names: str) -> list[str]:
    pairs = [*combinations_with_replacement(names, 2)]
    return [f"{x}.square()" for x in names] + [f"{x} {s} {y}" for s in "+*" for x, y in pairs]


def find_operands(program: str) -> list[str]:
    return re.findall(r"\b[xyabc]\b(?! =)", program)


def tree_programs() -> list[tuple[str]]:
    """Return the programs that use no value twice."""
    return [(p,) for (p,) in all_programs() if len({*find_operands(p)}) == len(find_operands(p))]


def build(program: str) -> Value:
    """Return the root of a program's graph, whose nodes are labelled by their names."""
    nodes: dict[str, Value] = {}
    for line in program.split(", "):
        name, expression = line.split(" = ")
        nodes[name] = node = Value(LEAVES[name]) if name in LEAVES else eval(expression, {}, nodes)
        node.label = name
    return node


def differentiate_program(program: str) -> Value:
    return compute_gradients(build(program))


def observe_order(run: Run, program: str) -> Observed:
    """Raise WrongAnswer unless an answer is a topological order."""
    root = build(program)
    nodes, result = topological(root), check_type("order(root)", run("order(root)", root), list)
    labels = f"order(root) is [{', '.join(str(getattr(x, 'label', x)) for x in result)}]"
    places = [id(x) for x in result]  # because Value(2.0) == 2.0
    for node in nodes:
        if places.count(id(node)) != 1:
            problem = "appears more than once" if id(node) in places else "is missing"
            raise WrongAnswer(f"{labels}: the node {node.label} {problem}.")
    for node in nodes:
        for x in node.inputs:
            if places.index(id(x)) > places.index(id(node)):
                last = " The root must be last." if result[0] is root else ""
                raise WrongAnswer(f"{labels}: {node.label} is before its input {x.label}.{last}")
    if len(result) > len(nodes):
        raise WrongAnswer(f"{labels}, which contains more than the nodes of the graph.")
    return {}


def observe_nodes(run: Run, program: str) -> Observed:
    nodes = topological(build(program))
    run("backward(order)", nodes)
    return {f"{node.label}.grad": node.grad for node in reversed(nodes)}


def observe_root(run: Run, program: str) -> Observed:
    return observe_nodes(lambda _, nodes: run("backward(root)", nodes[-1]), program)


Pass = Callable[[Any], None]


def send_by(
    contribution: Callable[[float, float, float], float],  # of upstream, local and the input
    order: Callable[[Any], Iterable[Any]] = reversed,
    seed: float = 1.0,
    add: bool = True,
) -> Pass:
    """Return a backward pass over nodes, correct unless its arguments are wrong."""

    def run_pass(nodes: list[Any]) -> None:
        nodes[-1].grad = seed
        for node in order(nodes):
            for x, local in zip(node.inputs, node.locals, strict=True):
                x.grad = add * x.grad + contribution(node.grad, local, x.data)

    return run_pass


def recurse(once: bool, interleaved: bool) -> Pass:
    """Return a backward pass from a root that does not wait for all contributions."""

    def run_pass(root: Any) -> None:
        root.grad, visited = 1.0, set()

        def send(node: Any) -> None:
            if not (once and node in visited):
                visited.add(node)
                for x, local in zip(node.inputs, node.locals, strict=True):
                    x.grad += node.grad * local
                    if interleaved:
                        send(x)
                for x in () if interleaved else node.inputs:
                    send(x)

        send(root)

    return run_pass


def chain_rule(upstream: float, local: float, data: float) -> float:
    return upstream * local


def from_root(run_pass: Pass) -> Pass:
    return lambda root: run_pass(topological(root))


order = Exercise(
    name="order", follows="backward",
    inputs=all_programs, given="For {}:\n", observe=observe_order, graph=build,
    right=topological, mistakes={},
    hints=[
        "`node.inputs` are the inputs of a node; those of a leaf are empty.",
        "Define a function inside yours that visits a node: it visits each input, and then appends "
        "the node to the list.",
        "A node that is used twice is reached twice. Keep a set of the visited nodes.",
    ],
)  # fmt: skip
backward = Exercise(
    name="backward", follows="second_use",
    inputs=tree_programs, given="For {}:\n", observe=observe_nodes, graph=differentiate_program,
    right=send_by(chain_rule),
    mistakes={
        "the root's gradient with respect to itself is 1. Set it first.":
            send_by(chain_rule, seed=0.0),
        "the pass starts at the inputs. Start at the root, the last node of the list.":
            send_by(chain_rule, list),
        "this is the local derivative alone. Multiply it by the upstream gradient.":
            send_by(lambda upstream, local, data: local),
        "this is the upstream gradient alone. Multiply it by the local derivative.":
            send_by(lambda upstream, local, data: upstream),
        "the chain rule multiplies the upstream gradient and the local derivative.":
            send_by(lambda upstream, local, data: upstream + local),
        "the upstream gradient is multiplied by the input, not by the local derivative.":
            send_by(lambda upstream, local, data: upstream * data),
    },
    hints=[
        "The gradient of the root, the last node, is 1.",
        "Visit the nodes from the root to the inputs, as `reversed(order)` does.",
        "A node sends its gradient times a local derivative to each input. "
        "`zip(node.inputs, node.locals)` pairs the inputs with the local derivatives.",
    ],
)  # fmt: skip
second_use = Exercise(
    name="second_use", follows="neuron",
    inputs=all_programs, given="For {}:\n", observe=observe_root, graph=differentiate_program,
    right=Value.backward,
    mistakes={
        "the second contribution replaces the first. The gradient of a value that is used twice is "
        "the sum of both.": from_root(send_by(chain_rule, add=False)),
        "a node sends its gradient before all contributions have arrived. Follow the topological "
        "order, reversed.": [*map(recurse, (True, True), (True, False)), from_root(send_by(
            chain_rule, lambda nodes: breadth_first(nodes[-1], nodes)))],
        "a node sends its gradient more than once. Send it once, when all contributions have "
        "arrived.": [*map(recurse, (False, False), (True, False))],
        **{why: from_root(run_pass) for why, run_pass in backward.mistakes.items()},
    },
    hints=[
        "Start with your `backward` of exercise 4. `topological(root)` of stepgrad, or your own "
        "`order(root)`, returns the nodes.",
        "A value that is used twice receives two contributions. What happens to the first?",
        "All gradients are 0 at the start. Add each contribution.",
    ],
)  # fmt: skip
