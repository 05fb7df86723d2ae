"""Import and export: the records of files into stores, and out of them.

Rules: what is no record is reported and left out, the others go in; records are committed in
batches, in their order, so an import that is stopped has kept whole batches and may simply be run
again. What was exported imports to the same octets and exports to the same file.

The forms of files: ``resolver.storage.forms``; how they are read: ``resolver.storage.chunks``.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from operator import lt
from typing import Final

from resolver.storage.chunks import Packed, Parsed
from resolver.storage.forms import Form
from resolver.storage.ledger import NodeStore

BATCH_RECORDS: Final = 50_000
"""Records that are enough for a transaction."""

KEPT_ERRORS: Final = 1000
"""Errors a report keeps; the rest are only counted."""

_BATCH_OCTETS: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class LineError:
    """Why one line, or record of a MessagePack file, was left out; they count from 1."""

    line: int
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What became of the lines of one source, or of the records of a MessagePack file.

    Attributes:
        lines: lines that were not blank.
        imported: lines whose record is in a store now, or was until a later line replaced it.
        duplicates: imported lines whose handle an earlier line of the source had; the last wins.
            Counted at the end.
        failed: lines left out; ``lines == imported + failed`` at the end.
        errors: the first ``KEPT_ERRORS`` of them.
    """

    lines: int = 0
    imported: int = 0
    duplicates: int = 0
    failed: int = 0
    errors: list[LineError] = field(default_factory=list)


def import_parsed(
    store_of: Callable[[str], NodeStore],
    chunks: Iterable[Parsed],
    *,
    batch: int = BATCH_RECORDS,
    on_progress: Callable[[ImportReport], None] | None = None,
    on_error: Callable[[LineError], None] | None = None,
) -> ImportReport:
    """Put the records of all ``chunks`` of one source, in their order, into their stores.

    Args:
        store_of: the store of a name that the chunks use.
        batch: commit when so many records have come, in one transaction per store.
        on_progress: called after each commit with the report so far.
        on_error: called with each line that is left out.

    Raises:
        StoreError: a store cannot be opened or written; what was committed before stays.
    """
    report = ImportReport()
    pending = _Pending(store_of)
    keys: dict[str, _Keys] = {}
    numbered = 0
    for chunk in chunks:
        report.lines += chunk.records
        for number, reason in chunk.errors:
            _add_error(report, LineError(numbered + number + 1, reason), on_error)
        numbered += chunk.numbered
        for name, packed in chunk.packed.items():
            keys.setdefault(name, _Keys()).add([key for key, _ in packed])
            pending.add(name, packed)
        pending.octets += chunk.octets
        if pending.records >= batch or pending.octets >= _BATCH_OCTETS:
            report.imported += pending.commit()
            if on_progress is not None:
                on_progress(report)
    report.imported += pending.commit()
    report.duplicates = sum(each.duplicates() for each in keys.values())
    if on_progress is not None:
        on_progress(report)
    return report


def export_records(store: NodeStore, form: Form, prefix: str = "") -> Iterator[bytes]:
    """What the records whose handles start with ``prefix`` make of a file, in key order, without
    its header."""
    for handle, values in store.records(prefix):
        yield form.write(handle, values)


class _Keys:
    """The keys that were imported into one store, for the number of those that came again.

    In files that were exported keys ascend, so none comes twice. Only of others are all keys
    compared, by 64 bits of a keyed hash, which are kept in 8 octets.
    """

    def __init__(self) -> None:
        self._hashes = array("q")
        self._ascending = True
        self._last = b""

    def add(self, keys: list[bytes]) -> None:
        """Take the next keys."""
        self._hashes.extend(map(hash, keys))
        if self._ascending:
            self._ascending = self._last < keys[0] and all(map(lt, keys, keys[1:]))
            self._last = keys[-1]

    def duplicates(self) -> int:
        """How many keys had come before."""
        return 0 if self._ascending else len(self._hashes) - len(set(self._hashes))


class _Pending:
    """Records read and not yet committed, by store."""

    def __init__(self, store_of: Callable[[str], NodeStore]) -> None:
        self.records = 0
        self.octets = 0
        self._store_of = store_of
        self._packed: dict[str, tuple[NodeStore, list[Packed]]] = {}

    def add(self, name: str, packed: list[Packed]) -> None:
        if name not in self._packed:
            self._packed[name] = (self._store_of(name), [])
        self._packed[name][1].extend(packed)
        self.records += len(packed)

    def commit(self) -> int:
        """How many records were written, one by one (equal handles count each)."""
        done = self.records
        for store, packed in self._packed.values():
            store.put_packed(packed)
        self._packed.clear()
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
