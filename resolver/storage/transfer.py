"""Import and export: records as JSON Lines, one record a line, in the shape of the REST API.

Rules: a bad line is reported and left out, the others go in; records are committed in batches, so
an import that is stopped has kept whole batches and may simply be run again. What was exported
imports to the same octets and exports to the same lines.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from resolver.model.errors import ResolverError
from resolver.model.handle import NA
from resolver.storage.base import Record, check_record
from resolver.storage.layout import key_of
from resolver.storage.ledger import NodeStore
from resolver.wire.rest import record_from_json, record_to_json
from resolver.wire.values import ValueList

MAX_LINE_OCTETS: Final = 4 << 20
"""Longest line that is looked at; the largest record makes about 1.5 MB of JSON."""

BATCH_RECORDS: Final = 10_000
"""Records per transaction."""

KEPT_ERRORS: Final = 1000
"""Errors a report keeps; the rest are only counted."""

_BATCH_OCTETS: Final = 32 << 20
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

StoreFor = Callable[[str], NodeStore | None]
"""The store that a handle belongs to, or None if there is none."""


@dataclass(frozen=True, slots=True)
class LineError:
    """Why one line was left out; lines count from 1."""

    line: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What became of the lines of one source.

    Attributes:
        lines: lines that were not blank.
        imported: lines whose record is in a store now, or was until a later line replaced it.
        duplicates: imported lines whose handle an earlier line of the source had; the last wins.
        failed: lines left out; ``lines == imported + failed`` at the end.
        errors: the first ``KEPT_ERRORS`` of them.
    """

    lines: int = 0
    imported: int = 0
    duplicates: int = 0
    failed: int = 0
    errors: list[LineError] = field(default_factory=list)


def import_lines(
    store: NodeStore,
    lines: Iterable[bytes],
    *,
    batch: int = BATCH_RECORDS,
    on_progress: Callable[[ImportReport], None] | None = None,
    on_error: Callable[[LineError], None] | None = None,
) -> ImportReport:
    """Put the record of every line into ``store``; see ``import_routed``."""
    return import_routed(
        lambda _: store, lines, batch=batch, on_progress=on_progress, on_error=on_error
    )


def import_routed(
    store_for: StoreFor,
    lines: Iterable[bytes],
    *,
    batch: int = BATCH_RECORDS,
    on_progress: Callable[[ImportReport], None] | None = None,
    on_error: Callable[[LineError], None] | None = None,
) -> ImportReport:
    """Put the record of every line into the store it belongs to.

    Blank lines, a byte order mark and CR before the line's end are overlooked.

    Args:
        store_for: where a record goes; None makes its line an error.
        lines: with or without their line ends; see ``read_lines`` for a file.
        batch: records read before they are committed, in one transaction per store.
        on_progress: called after each commit with the report so far.
        on_error: called with each line that is left out.

    Raises:
        StoreError: a store cannot be written; what was committed before stays.
    """
    report = ImportReport()
    pending = _Pending()
    seen: set[int] = set()
    for number, line in enumerate(lines, 1):
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        line = line.strip(b"\r\n")
        if not line or line.isspace():
            continue
        report.lines += 1
        try:
            record = parse_line(line)
        except ResolverError as error:
            _add_error(report, LineError(number, str(error)), on_error)
            continue
        handle = record[0]
        store = store_for(handle)
        if store is None:
            reason = f"{handle}: no node of this network is responsible for it"
            _add_error(report, LineError(number, reason), on_error)
            continue
        # 64 bits of a keyed hash instead of the handle: a third of the memory.
        known = hash(key_of(handle))
        report.duplicates += known in seen
        seen.add(known)
        pending.add(store, record, len(line))
        if pending.records >= batch or pending.octets >= _BATCH_OCTETS:
            report.imported += pending.commit()
            if on_progress is not None:
                on_progress(report)
    report.imported += pending.commit()
    if on_progress is not None:
        on_progress(report)
    return report


def export_lines(store: NodeStore, prefix: str = "") -> Iterator[bytes]:
    """The records whose handles start with ``prefix``, in key order, one line each with its LF."""
    for handle, values in store.records(prefix):
        yield format_line(handle, values)


def format_line(handle: str, values: ValueList) -> bytes:
    """One record as a line of UTF-8 JSON; octets that are no UTF-8 stand as ``\\udc80``…"""
    text = json.dumps(record_to_json(handle, values), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


def parse_line(line: bytes) -> Record:
    """The record of one line.

    Raises:
        ResolverError: the line is no record that can be stored; the text says what is wrong.
    """
    if len(line) > MAX_LINE_OCTETS:
        raise LineRefused(f"longer than {MAX_LINE_OCTETS} octets")
    try:
        found: Any = json.loads(line.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise LineRefused(f"not UTF-8 at octet {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise LineRefused(f"not JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise LineRefused("not a record: nested too deeply") from None
    except ValueError as error:
        raise LineRefused(f"not JSON: {error}") from None
    handle, values = record_from_json(found)
    if "/" not in handle:
        raise LineRefused(f"{handle} has no slash; the record of a prefix is {NA}{handle}")
    check_record(handle, values)
    return handle, values


def read_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, each cut just above ``MAX_LINE_OCTETS`` so that none fills memory."""
    while line := stream.readline(MAX_LINE_OCTETS + 2):
        yield line
        while len(line) == MAX_LINE_OCTETS + 2 and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE_OCTETS + 2)


class LineRefused(ResolverError):
    """A line that is not imported."""


class _Pending:
    """Records read and not yet committed, by store."""

    def __init__(self) -> None:
        self.records = 0
        self.octets = 0
        self._by_store: dict[int, tuple[NodeStore, list[Record]]] = {}

    def add(self, store: NodeStore, record: Record, octets: int) -> None:
        self._by_store.setdefault(id(store), (store, []))[1].append(record)
        self.records += 1
        self.octets += octets

    def commit(self) -> int:
        """How many records were written, one by one (equal handles count each)."""
        done = self.records
        for store, records in self._by_store.values():
            store.put_many(records)
        self._by_store.clear()
        self.records = self.octets = 0
        return done


def _add_error(
    report: ImportReport, error: LineError, on_error: Callable[[LineError], None] | None
) -> None:
    report.failed += 1
    if len(report.errors) < KEPT_ERRORS:
        report.errors.append(error)
    if on_error is not None:
        on_error(error)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")
