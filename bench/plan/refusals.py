"""What a refusal costs: the answer that a node has too much to do."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.native import write_numbered
from bench.network import DIGITS, PREFIX
from bench.plan.asking import Network, closed, cost_of, median_pace
from bench.plan.calibration import Cost
from bench.speech import handle_request
from resolver.cluster.state import NodeState
from resolver.model.codes import ResponseCode

_OVERLOADS: Final = (3.0, 10.0)
"""Times as many questions as can be answered."""

_WINDOW: Final = 30_000
_NAMES: Final = 10_000_000


def cost_of_refusals(
    network: Network, node: NodeState, names: Path, rounds: int, seconds: float
) -> Cost:
    """What a refusal of ``node`` costs, as a multiple of the pace.

    At the most that the node can do, and in overloads of different sizes, answers cost the same
    each, and refusals too; so what they took together tells both, by least squares.

    Args:
        names: a file to be written, for questions that are not asked twice.
        seconds: of each load.
    """
    # The answer that there is no such name does not repeat it.
    absent = int(ResponseCode.HANDLE_NOT_FOUND)
    question = replace(handle_request(f"{PREFIX}/n-{DIGITS}"), name=b"", right=absent)
    requests = write_numbered(names, question, DIGITS.encode(), _NAMES)
    made = []
    for _ in range(rounds):
        made.append(network.ask(node, requests, closed(seconds)))
        peak = made[-1].figures.rate
        for times in _OVERLOADS:
            load = replace(closed(seconds, window=_WINDOW), rate=times * peak, timeout=3.0)
            made.append(network.ask(node, requests, load, strict=False))
    refusals = [one.figures.codes.get(str(int(ResponseCode.SERVER_BUSY)), 0) for one in made]
    answers = [one.figures.right for one in made]
    spent = [one.cpu_us["recursive"] * one.answers for one in made]
    us = second_of_two(answers, refusals, spent)
    pace = median_pace([one.pace for one in made])
    both = replace(made[0], cpu_us={"recursive": us}, pace=pace)
    return cost_of("shed", [both], ("recursive",))


def second_of_two(first: Sequence[float], second: Sequence[float], whole: Sequence[float]) -> float:
    """``b`` of the least squares solution of whole = a × first + b × second, not below 0."""

    def dot(one: Sequence[float], other: Sequence[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    aa, ab, bb = dot(first, first), dot(first, second), dot(second, second)
    below = aa * bb - ab * ab
    found = aa * dot(second, whole) - ab * dot(first, whole)
    return max(0.0, found / below) if below else 0.0
