"""Who administers a record (docs/protocol.md §10).

Rules: an administrator is a key, named by handle and index; index 0, on either side, stands for
every key of that handle. A record names its administrators in HS_ADMIN values, directly or by a
group (HS_VLIST) that they are members of, groups of groups included.
"""

from collections.abc import Callable, Generator, Iterable
from functools import lru_cache
from typing import Final, TypeVar

from resolver.model.errors import WireError
from resolver.model.handle import fold
from resolver.model.site import AdminRecord
from resolver.model.value import Reference
from resolver.wire.typed import decode_admin, decode_vlist
from resolver.wire.values import ValueList

MAX_GROUPS: Final = 50
"""Groups that are looked into to find one member."""

ADMIN_TYPE: Final = "HS_ADMIN"
GROUP_TYPE: Final = "HS_VLIST"

S = TypeVar("S")
R = TypeVar("R")
Fetch = Callable[[str, int], Generator[S, R, ValueList | None]]
"""The public values of a handle that have an index (0: all), however they are found."""


@lru_cache(maxsize=64)
def administrators(values: ValueList) -> tuple[AdminRecord, ...]:
    """The administrators that a record names; values that cannot be read name nobody.

    Remembered, as a record that says who may create others is looked at for each of them.
    """
    found = []
    for value in values.of_type(ADMIN_TYPE):
        try:
            found.append(decode_admin(value.data))
        except WireError:
            continue
    return tuple(found)


def is_same_key(one: Reference, other: Reference) -> bool:
    """Whether two references mean the same key."""
    return fold(one.handle) == fold(other.handle) and (
        one.index == other.index or 0 in (one.index, other.index)
    )


def may(
    user: Reference, admins: Iterable[AdminRecord], rights: int, fetch: Fetch[S, R]
) -> Generator[S, R, bool]:
    """Whether one of ``admins`` that has all of ``rights`` is ``user``, or a group with it."""
    looked_into: set[tuple[str, int]] = set()
    for admin in admins:
        if admin.permissions & rights != rights:
            continue
        waiting = [Reference(admin.handle, admin.index)]
        while waiting:
            reference = waiting.pop()
            if is_same_key(user, reference):
                return True
            key = (fold(reference.handle), reference.index)
            if key in looked_into or len(looked_into) >= MAX_GROUPS:
                continue
            looked_into.add(key)
            values = yield from fetch(reference.handle, reference.index)
            if values is not None:
                waiting += _members(values)
    return False


def _members(values: ValueList) -> list[Reference]:
    members: list[Reference] = []
    for value in values.of_type(GROUP_TYPE):
        try:
            members += decode_vlist(value.data)
        except WireError:
            continue
    return members
