"""What every benchmark does as a command: options that make sense, a folder for as long as it runs,
a report as a table or as JSON, and an exit status.

0: the goals are met; 4: one is missed; 2: it cannot run, and one sentence says why.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from resolver.model.errors import NetworkStateError, ResolverError

MET: Final = 0
MISSED: Final = 4

Report = Mapping[str, Any]


def count(text: str) -> int:
    """A whole number from 1 on.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isascii() or not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def amount(text: str) -> float:
    """A number above 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def measure(
    parser: argparse.ArgumentParser,
    work: Callable[[Path], Report],
    show: Callable[[Report], None],
    *,
    as_json: bool,
) -> int:
    """Do ``work`` in a folder of its own and print its report, as JSON or with ``show``; the exit
    status. What makes it impossible is told by ``parser``, which ends the program; the folder of a
    network that does not start stays, since its logs say more."""
    with ExitStack() as at_end:
        folder = Path(tempfile.mkdtemp(prefix="wuhan-bench-"))
        at_end.callback(shutil.rmtree, folder)
        try:
            report = work(folder)
        except ResolverError as error:
            if isinstance(error, NetworkStateError):
                at_end.pop_all()  # it names a log in the folder
            parser.error(str(error))
    if as_json:
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        show(report)
    return MET if report["met"] else MISSED
