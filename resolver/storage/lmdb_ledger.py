"""The ledger in the file of the records: three databases beside theirs.

    journal    key: number u8; value: ``pack_entry``
    figures    key: day u4, prefix in UTF-8; value: ``pack_figures``
    documents  key: kind, a zero octet, key; value: the document

Rule: functions of a transaction; when it begins, and what happens to its errors, is
``resolver.storage.lmdb``'s business.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import lmdb

from resolver.model.errors import StoreError
from resolver.storage.base import Change
from resolver.storage.ledger import (
    MAX_ENTRIES,
    Entry,
    Figures,
    checksum_of,
    day_of,
    figures_of,
    pack_entry,
    pack_figures,
    unpack_entry,
    unpack_figures,
)
from resolver.wire.cursor import decode_text, encode_text

Txn: TypeAlias = "lmdb.Transaction[bytes]"

DATABASES: Final = 3

_NUMBER_OCTETS: Final = 8
_DAY_OCTETS: Final = 4
_PAGE_ENTRIES: Final = 1000
_MAX_KEY: Final = 511


class LmdbLedger:
    """The ledger of one open file."""

    def __init__(self, env: lmdb.Environment, txn: Txn, most: int = MAX_ENTRIES) -> None:
        """Open the databases, which are made where they are missing."""
        self._journal: Final = env.open_db(b"journal", txn=txn)
        self._figures: Final = env.open_db(b"figures", txn=txn)
        self._documents: Final = env.open_db(b"documents", txn=txn)
        self._most: Final = most

    def append(self, txn: Txn, changes: list[Change], unix_now: int) -> None:
        """Enter ``changes``, which were made in this transaction."""
        self._enter(
            txn,
            [
                pack_entry(
                    unix_now, each.user, each.operation, each.handle, checksum_of(each.after)
                )
                for each in changes
            ],
        )
        self.tally(day_of(unix_now), figures_of(changes), txn)

    def note(self, text: str, user: str, unix_now: int, txn: Txn) -> None:
        """See ``Ledger``."""
        self._enter(txn, [pack_entry(unix_now, user, 0, text, None)])

    def last(self, txn: Txn) -> int:
        """See ``Ledger.last_entry``."""
        cursor = txn.cursor(self._journal)
        return int.from_bytes(cursor.key(), "big") if cursor.last() else 0

    def page(self, txn: Txn, after: int) -> list[Entry]:
        """The next entries."""
        cursor = txn.cursor(self._journal)
        if not cursor.set_range((after + 1).to_bytes(_NUMBER_OCTETS, "big")):
            return []
        page = []
        for key, stored in cursor.iternext():
            page.append(unpack_entry(int.from_bytes(key, "big"), stored))
            if len(page) >= _PAGE_ENTRIES:
                break
        return page

    def tally(self, day: int, counts: Mapping[str, Figures], txn: Txn) -> None:
        """See ``Ledger``."""
        for prefix, more in counts.items():
            key = day.to_bytes(_DAY_OCTETS, "big") + encode_text(prefix)[: _MAX_KEY - _DAY_OCTETS]
            stored = txn.get(key, db=self._figures)
            known = Figures() if stored is None else unpack_figures(stored)
            txn.put(key, pack_figures(known + more), db=self._figures)

    def figures(self, since: int, txn: Txn) -> list[tuple[int, str, Figures]]:
        """See ``Ledger``."""
        cursor = txn.cursor(self._figures)
        if not cursor.set_range(since.to_bytes(_DAY_OCTETS, "big")):
            return []
        return [
            (
                int.from_bytes(key[:_DAY_OCTETS], "big"),
                decode_text(key[_DAY_OCTETS:]),
                unpack_figures(stored),
            )
            for key, stored in cursor.iternext()
        ]

    def documents(self, kind: str, start: str, txn: Txn) -> dict[str, bytes]:
        """See ``Ledger``."""
        of_kind = kind.encode() + b"\0"
        cursor, found = txn.cursor(self._documents), {}
        if cursor.set_range(of_kind + encode_text(start)):
            for key, document in cursor.iternext():
                if not key.startswith(of_kind):
                    break
                found[decode_text(key[len(of_kind) :])] = document
        return found

    def put_documents(self, kind: str, changed: Mapping[str, bytes | None], txn: Txn) -> None:
        """See ``Ledger``."""
        for name, document in changed.items():
            key = kind.encode() + b"\0" + encode_text(name)
            if len(key) > _MAX_KEY:
                raise StoreError(f"{name[:40]}… is too long for the key of a document")
            if document is None:
                txn.delete(key, db=self._documents)
            else:
                txn.put(key, document, db=self._documents)

    def _enter(self, txn: Txn, entries: Iterable[bytes]) -> None:
        cursor, number = txn.cursor(self._journal), self.last(txn)
        for entry in entries:
            number += 1
            key = number.to_bytes(_NUMBER_OCTETS, "big")
            cursor.put(key, entry, append=True)
        while txn.stat(self._journal)["entries"] > self._most and cursor.first():
            cursor.delete()
