"""Very many records, the same on every run, as the files that ``wuhan import`` reads.

A record is what a registration leaves: a URL, and the administrator. Every block of records has the
time of a second of its own. Only the first of a block is made by the project's own code, the others
are copies with another number, so that making ten million of them takes minutes and not an hour;
the last of each block is made both ways and compared.
"""

from collections.abc import Callable, Iterator
from math import gcd
from pathlib import Path
from typing import Final

from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue
from resolver.storage.forms import FORMS
from resolver.storage.layout import key_of, pack
from resolver.wire.typed import encode_admin
from resolver.wire.values import ValueList

PREFIX: Final = "88.901.1"

_BLOCK: Final = 10_000
_START: Final = 1_704_067_200
_ADMIN: Final = encode_admin(AdminRecord(AdminRight.ALL, f"{PREFIX}/ADMIN", 301))


def handle_of(number: int) -> str:
    """The handle of a record."""
    return f"{PREFIX}/{number:08d}"


def record(number: int, block: int) -> tuple[str, ValueList]:
    """A record: its handle, and 140 octets of values."""
    url = f"https://id.example/{PREFIX}/product/pump/{number:08d}"
    values = [
        HandleValue(1, "URL", url.encode(), timestamp=_START + block),
        HandleValue(100, "HS_ADMIN", _ADMIN, timestamp=_START + block),
    ]
    return handle_of(number), ValueList.of(values)


def blocks(
    count: int, make: Callable[[str, ValueList], bytes], *, shuffled: bool = False
) -> Iterator[list[bytes]]:
    """What ``make`` makes of all records, by blocks.

    Args:
        shuffled: in an order in which neighbours are far apart, instead of that of the handles.
    """
    step = next(n for n in range(int(count * 0.618) or 1, 2 * count + 2) if gcd(n, count) == 1)
    for block, start in enumerate(range(0, count, _BLOCK)):
        places = range(start, min(start + _BLOCK, count))
        numbers = [place * step % count for place in places] if shuffled else list(places)
        # A number that occurs nowhere else in the record marks the places.
        mark = 98765432
        template = make(*record(mark, block)).replace(b"%", b"%%").replace(b"%d" % mark, b"%08d")
        fields = template.count(b"%08d")
        made = [template % ((number,) * fields) for number in numbers]
        assert made[-1] == make(*record(numbers[-1], block))
        yield made


def write_file(path: Path, form: str, count: int, *, shuffled: bool = False) -> None:
    """A file of all records in the form of that name (``resolver.storage.forms``)."""
    with path.open("wb") as file:
        file.write(FORMS[form].header)
        for made in blocks(count, FORMS[form].write, shuffled=shuffled):
            file.writelines(made)


def stored_pairs(count: int) -> Iterator[list[tuple[bytes, bytes]]]:
    """The records as a store holds them, key and value, by blocks."""
    keys = blocks(count, lambda handle, values: key_of(handle))
    stored = blocks(count, lambda handle, values: pack(handle, key_of(handle), values.octets))
    for some in zip(keys, stored, strict=True):
        yield list(zip(*some, strict=True))
