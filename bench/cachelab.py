"""The eviction policies over traces, in the caches of the node.

``python -m bench.cachelab`` asks a cache of routes and one of leaves, each with a budget of its own
in bytes, for everything in a trace (``bench.traces``) and puts in what was not there: every policy
on the same accesses, with budgets of some shares of the bytes that all of it would take. It prints

- the hit ratio by class, beside that of a cache without bounds, which is what could be had;
- the CPU of an access, cache and policy together, median of the rounds;
- what the policy alone costs: the time of its ``used`` over 10,000 keys and over all, of an
  eviction with an addition, and the bytes for a key beside the key itself (growth of what Python
  allocated, by tracemalloc): when filled, when all keys were asked for three times, and when all
  have left for others since.

Goals: SIEVE, in both forms, and S3-FIFO are at least LRU's equals in every class of every trace,
within a tolerance; in a scan and in a flood they have a tenth more hits among the leaves.

Lifetimes play no part: nothing expires.
"""

import argparse
import gc
import json
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any, Final

from bench.machine import machine_line
from bench.traces import LEAF, ROUTE, TRACES, Access, Trace
from resolver.cache import BudgetCache
from resolver.cache.policies import POLICIES, make_policy

COMPARED: Final = ("sieve", "sieve10", "s3fifo")
"""Policies with goals; what they are compared with is the next."""

BASELINE: Final = "lru"
TOLERANCE: Final = 0.5
"""Points of hit ratio below the baseline that are still its equal."""

MORE_HITS: Final = 1.1
"""How many hits, the baseline's being 1, are clearly ahead."""

_FEW_KEYS: Final = 10_000
_NO_BOUNDS: Final = 1 << 60
_NEVER: Final = float("inf")


def main(arguments: list[str] | None = None) -> int:
    """Run the lab; exit status 0 if all goals are met, 4 if not."""
    parser = argparse.ArgumentParser(prog="bench.cachelab", description=__doc__)
    parser.add_argument("--questions", type=int, default=400_000, help="of each trace")
    parser.add_argument(
        "--keys", type=int, default=1_000_000, help="to measure a policy alone with"
    )
    parser.add_argument("--sizes", default="1,10", help="of the caches, in %% of all that is asked")
    parser.add_argument("--traces", default=",".join(TRACES), help="which to run")
    parser.add_argument("--rounds", type=int, default=3, help="to measure CPU in")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    sizes, traces = _chosen(parser, options)
    report: dict[str, Any] = {
        "machine": machine_line(),
        "questions": options.questions,
        "seed": options.seed,
        "rounds": options.rounds,
        "sizes": sizes,
        "traces": {
            trace.name: run(trace, options.questions, options.seed, sizes, options.rounds)
            for trace in traces
        },
        "policies": {name: alone(name, options.keys, options.rounds) for name in POLICIES},
        "keys": options.keys,
    }
    report["goals"] = {name: list(misses(report["traces"], name)) for name in COMPARED}
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(report)
    return 4 if any(report["goals"].values()) else 0


def _chosen(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> tuple[list[float], list[Trace]]:
    for name in ("questions", "keys", "rounds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1")
    try:
        sizes = [float(size) for size in options.sizes.split(",")]
    except ValueError:
        sizes = []
    if not sizes or not all(0 < size <= 100 for size in sizes):
        parser.error(f"--sizes takes percentages joined by commas, as 1,10; not {options.sizes!r}")
    names = options.traces.split(",")
    for name in names:
        if name not in TRACES:
            parser.error(f"there is no trace {name!r}; known: {', '.join(TRACES)}")
    return sizes, [TRACES[name] for name in names]


# ---------------------------------------------------------------- hit ratios


def run(trace: Trace, questions: int, seed: int, sizes: list[float], rounds: int) -> dict[str, Any]:
    """One trace under every policy: what could be had, and what was, by class, size and policy."""
    gc.collect()
    accesses = list(trace.accesses(questions, seed))
    # One value for each size, so that values cost neither time nor memory.
    values = {size: bytes(size) for _, _, size in accesses}
    asked = {kind: sum(access[0] == kind for access in accesses) for kind in (ROUTE, LEAF)}
    unbounded = {kind: BudgetCache[bytes](_NO_BOUNDS) for kind in asked}
    could = _ask(unbounded, accesses, values)
    hits: dict[str, dict[str, dict[str, float]]] = {
        kind: {f"{size:g}": {} for size in sizes} for kind in asked if asked[kind]
    }
    cpu: dict[str, dict[str, float]] = {}
    for size in sizes:
        spent: dict[str, list[float]] = {policy: [] for policy in POLICIES}
        for policy in list(POLICIES) * rounds:
            caches = {
                kind: BudgetCache[bytes](int(cache.statistics().bytes * size / 100), policy=policy)
                for kind, cache in unbounded.items()
            }
            with _without_collector():
                before = time.process_time()
                found = _ask(caches, accesses, values)
                spent[policy].append((time.process_time() - before) / len(accesses) * 1e9)
            for kind in hits:
                hits[kind][f"{size:g}"][policy] = 100 * found[kind] / asked[kind]
        cpu[f"{size:g}"] = {policy: statistics.median(spent[policy]) for policy in POLICIES}
    return {
        "hostile": trace.hostile,
        "worst": trace.worst,
        "classes": {
            kind: {
                "asked": asked[kind],
                "distinct": len(unbounded[kind]),
                "could": 100 * could[kind] / asked[kind],
                "hit_percent": hits[kind],
            }
            for kind in hits
        },
        "cpu_ns": cpu,
    }


def _ask(
    caches: dict[str, BudgetCache[bytes]], accesses: Sequence[Access], values: dict[int, bytes]
) -> dict[str, int]:
    """Hits by class of asking for all this, and keeping what was not there."""
    hits = dict.fromkeys(caches, 0)
    for kind, key, size in accesses:
        cache = caches[kind]
        if cache.get(key, 0.0) is None:
            cache.put(key, values[size], size=size, expires_at=_NEVER)
        else:
            hits[kind] += 1
    return hits


@contextmanager
def _without_collector() -> Iterator[None]:
    """Python does not look for garbage meanwhile."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def misses(traces: dict[str, Any], policy: str) -> Iterator[str]:
    """A line for every class and size in which ``policy`` misses a goal."""
    for name, trace in traces.items():
        if trace["worst"]:
            continue
        for kind, row in trace["classes"].items():
            for size, percent in row["hit_percent"].items():
                ours, base = percent[policy], percent[BASELINE]
                place = f"{name}, {kind} at {size} %: {ours:.2f}, {BASELINE} {base:.2f}"
                if ours < base - TOLERANCE:
                    yield f"{place}: {base - ours:.2f} points behind"
                elif trace["hostile"] and kind == LEAF and ours < base * MORE_HITS:
                    yield f"{place}: not clearly ahead"


# ---------------------------------------------------------------- a policy alone


def alone(name: str, count: int, rounds: int) -> dict[str, Any]:
    """What a policy costs by itself with so many keys, in ns of CPU and bytes for a key."""
    keys = [f"88.901.{number % 1_000}/{number:08d}" for number in range(2 * count)]
    sizes = sorted({min(_FEW_KEYS, count), count})

    def median(measure: Callable[[], float]) -> float:
        return statistics.median(measure() for _ in range(rounds))

    return {
        "used_ns": {f"{few:,}": median(partial(_used_ns, name, keys[:few])) for few in sizes},
        "evict_ns": median(partial(_evict_ns, name, keys, count)),
        "bytes": _bytes(name, keys, count),
    }


def _used_ns(name: str, keys: list[str]) -> float:
    """Of keys in no order, all of them asked for before."""
    policy = make_policy(name)
    for key in keys:
        policy.added(key)
    asked = keys * max(1, 100_000 // len(keys))
    Random(1).shuffle(asked)
    for _ in range(3):
        for key in keys:
            policy.used(key)
    return _ns_each(policy.used, asked) - _ns_each(None, asked)


def _evict_ns(name: str, keys: list[str], count: int) -> float:
    """Of one key that leaves and one that comes, when a third of the keys has been asked for."""
    policy = make_policy(name)
    for key in keys[:count]:
        policy.added(key)
    for key in keys[:count:3]:
        policy.used(key)

    def replace(key: str) -> None:
        policy.removed(policy.victim())
        policy.added(key)

    return _ns_each(replace, keys[count:])


def _ns_each(call: Callable[[str], None] | None, keys: list[str]) -> float:
    before = time.process_time()
    if call is None:
        for _key in keys:
            pass
    else:
        for key in keys:
            call(key)
    return (time.process_time() - before) / len(keys) * 1e9


def _bytes(name: str, keys: list[str], count: int) -> dict[str, float]:
    found = {}
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        policy = make_policy(name)

        def note(state: str) -> None:
            found[state] = (tracemalloc.get_traced_memory()[0] - before) / count

        for key in keys[:count]:
            policy.added(key)
        note("filled")
        for _ in range(3):
            for key in keys[:count]:
                policy.used(key)
        note("asked")
        for key in keys[count:]:
            policy.removed(policy.victim())
            policy.added(key)
        note("replaced")
    finally:
        tracemalloc.stop()
    return found


# ---------------------------------------------------------------- the report


def print_report(report: dict[str, Any]) -> None:
    """The report as tables."""
    policies, sizes = list(POLICIES), [f"{size:g}" for size in report["sizes"]]
    print(report["machine"])
    print(f"{report['questions']:,} questions a trace, seed {report['seed']}; sizes in % of bytes")
    head = " ".join(f"{name:>7}" for name in policies)
    print("\nhit ratio in %")
    print(
        f"{'':17} {'':>7} {'':>6}"
        + "".join(f"  {f'at {s} %':<{len(head)}}" for s in sizes).rstrip()
    )
    print(f"{'trace, class':17} {'keys':>7} {'could':>6}" + f"  {head}" * len(sizes))
    for name, trace in report["traces"].items():
        for kind, row in trace["classes"].items():
            print(
                f"{f'{name} {kind}':17} {row['distinct']:7} {row['could']:6.2f}"
                + "".join(f"  {_row(row['hit_percent'][s], policies, 2)}" for s in sizes)
            )
    print(f"\nCPU in ns an access, cache and policy together, median of {report['rounds']} rounds")
    for name, trace in report["traces"].items():
        print(f"{name:32}" + "".join(f"  {_row(trace['cpu_ns'][s], policies, 0)}" for s in sizes))
    print(f"\nthe policy alone, {report['keys']:,} keys")
    print(f"{'':32}  {head}")
    costs = report["policies"]
    rows: dict[str, dict[str, float]] = {}
    for few in costs[policies[0]]["used_ns"]:
        rows[f"used, {few} keys, ns"] = {p: costs[p]["used_ns"][few] for p in policies}
    rows["evict and add, ns"] = {p: costs[p]["evict_ns"] for p in policies}
    for state in ("filled", "asked", "replaced"):
        rows[f"bytes a key, {state}"] = {p: costs[p]["bytes"][state] for p in policies}
    for title, row in rows.items():
        print(f"{title:32}  {_row(row, policies, 0)}")
    print()
    for name, missed in report["goals"].items():
        print(f"{name}: no worse than {BASELINE}, ahead in scan and flood: "
              f"{'MISSED' if missed else 'met'}")  # fmt: skip
        for line in missed:
            print(f"  {line}")


def _row(values: dict[str, float], policies: list[str], digits: int) -> str:
    return " ".join(f"{values[name]:7.{digits}f}" for name in policies)


if __name__ == "__main__":
    sys.exit(main())
