"""``python -m bench.paths``: the measurements by name, and their one table."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.goals import lines_of
from bench.machine import machine_line
from bench.paths import authoritative, batch, growth, http, tcp, workers
from bench.paths.common import Measure, Options, told
from bench.program import amount, count, measure

PATHS: Final[Mapping[str, Measure]] = {
    "tcp": tcp.measure,
    "http": http.measure,
    "batch": batch.measure,
    "authoritative": authoritative.measure,
    "growth": growth.measure,
    "workers": workers.measure,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; exit status 0 if all goals are met, 4 if not, 2 if it cannot run."""
    known = Options()
    parser = argparse.ArgumentParser(prog="bench.paths", description=__doc__)
    parser.add_argument("paths", nargs="*", metavar="PATH", help=", ".join(PATHS) + "; else all")
    parser.add_argument("--names", type=count, default=known.names, help="identifiers asked for")
    parser.add_argument("--rounds", type=count, default=known.rounds)
    parser.add_argument("--seconds", type=amount, default=known.seconds, help="of each round")
    parser.add_argument("--records", type=count, default=known.records, help="of authoritative")
    parser.add_argument("--cached", type=count, default=known.cached, help="of growth, at the end")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = vars(parser.parse_args(arguments))
    chosen, as_json = given.pop("paths") or list(PATHS), given.pop("json")
    for name in chosen:
        if name not in PATHS:
            parser.error(f"there is no path {name!r}; there are: {', '.join(PATHS)}")
    return measure(
        parser,
        lambda folder: run(folder, chosen, Options(**given)),
        print_report,
        as_json=as_json,
    )


def run(folder: Path, chosen: list[str], options: Options) -> dict[str, Any]:
    """Measure the chosen paths one after the other."""
    found: dict[str, Any] = {}
    for name in chosen:
        place = folder / name
        place.mkdir()
        found[name] = told(PATHS[name](place, options))
    return {
        "machine": machine_line(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "paths": found,
        "met": all(path.get("met", True) for path in found.values()),
    }


def print_report(report: Mapping[str, Any]) -> None:
    """The report as a table."""
    print(report["machine"])
    print(f"medians of {report['rounds']} rounds")
    heads = (
        f"{'CPU µs':>8} {'least–most':>13} {'a core-second':>14} {'seen, 1/s':>11} {'p99 µs':>9}"
    )
    print(f"{'':38} {heads}")
    for name, path in report["paths"].items():
        if "left_out" in path:
            print(f"{name} is left out: {path['left_out']}")
            continue
        for row in path["rows"]:
            spread = f"{row['least']:.2f}–{row['most']:.2f}"
            print(
                f"{row['title']:38} {row['cpu_us']:8.2f} {spread:>13} {row['work']:14,.0f}"
                f" {row['rate']:11,.0f} {row['p99_us']:9,.0f}"
            )
        for line in (*path["notes"], *path["troubles"], *lines_of(path["goals"])):
            print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
