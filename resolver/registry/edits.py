"""What a request to change a record comes to (docs/protocol.md §3, §10).

Rules: pure functions from a request and the record as it is to the record as it will be, or to a
refusal. Values of requests have passed ``checked_values``. Who may do that is not decided here; an
edit only says which rights it takes. Time stamps are the server's: what changes is stamped, what
stays as it was keeps its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from resolver.model.codes import ResponseCode
from resolver.model.handle import is_prefix_handle
from resolver.model.site import AdminRight
from resolver.model.value import MAX_VALUES, HandleValue, Permission
from resolver.storage.base import Change
from resolver.wire.values import ValueList

_ADMIN_TYPE: Final = "HS_ADMIN"


@dataclass(slots=True)
class Edit:
    """A change and what it takes.

    Attributes:
        rights: AdminRight bits, of the record's administrators (of its prefix's, for a new record).
        public: every value it touches may be written by anybody.
        overwrites: something is replaced because the request allowed it (OVRW).
    """

    change: Change
    rights: int
    public: bool = False
    overwrites: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no edit."""

    code: ResponseCode
    reason: str = ""


def checked_values(values: ValueList) -> Refusal | None:
    """What is wrong with the values of a request, whatever they are to change."""
    index = values.unfit_index()
    if index is None:
        return None
    if index < 1:
        return Refusal(ResponseCode.INVALID_VALUE, f"index {index} of a value: indexes start at 1")
    return Refusal(ResponseCode.VALUE_EXISTS, f"two values of index {index}")


def create(
    handle: str, values: ValueList, before: ValueList | None, *, overwrite: bool, unix_now: int
) -> Edit | Refusal:
    """A new record; with ``overwrite`` also in the place of an existing one, which takes the
    rights for each value that comes, goes or changes."""
    if before is None:
        right = AdminRight.CREATE_PREFIX if is_prefix_handle(handle) else AdminRight.CREATE_HANDLE
        return Edit(Change(handle, None, values.stamped(unix_now)), right)
    if not overwrite:
        return Refusal(ResponseCode.HANDLE_EXISTS)
    old = _by_index(before)
    after = [_stamped(value, old.get(value.index), unix_now) for value in values]
    kept = {value.index for value in after}
    rights = 0
    for value in after:
        rights |= _rights(old.get(value.index), value)
    for index, value in old.items():
        if index not in kept:
            rights |= _rights(value, None)
    return Edit(Change(handle, before, ValueList.of(after)), rights, overwrites=True)


def delete(handle: str, before: ValueList | None) -> Edit | Refusal:
    """The end of a record."""
    if before is None:
        return Refusal(ResponseCode.HANDLE_NOT_FOUND)
    return Edit(Change(handle, before, None), AdminRight.DELETE_HANDLE)


def add(
    handle: str, values: ValueList, before: ValueList | None, *, overwrite: bool, unix_now: int
) -> Edit | Refusal:
    """More values; with ``overwrite`` in the place of those that have their indexes."""
    if before is None:
        return Refusal(ResponseCode.HANDLE_NOT_FOUND)
    old = _by_index(before)
    taken = [value.index for value in values if value.index in old]
    if taken and not overwrite:
        return Refusal(ResponseCode.VALUE_EXISTS, f"there is a value of index {taken[0]} already")
    edit = _merged(handle, before, values, unix_now)
    return replace(edit, overwrites=bool(taken)) if isinstance(edit, Edit) else edit


def modify(
    handle: str, values: ValueList, before: ValueList | None, *, unix_now: int
) -> Edit | Refusal:
    """Other values in the place of those that have their indexes."""
    if before is None:
        return Refusal(ResponseCode.HANDLE_NOT_FOUND)
    old = _by_index(before)
    missing = [value.index for value in values if value.index not in old]
    if missing:
        return Refusal(ResponseCode.VALUES_NOT_FOUND, f"there is no value of index {missing[0]}")
    return _merged(handle, before, values, unix_now)


def remove(handle: str, indexes: Iterable[int], before: ValueList | None) -> Edit | Refusal:
    """Fewer values; indexes that are not there do not matter as long as one is."""
    if before is None:
        return Refusal(ResponseCode.HANDLE_NOT_FOUND)
    wanted = set(indexes)
    gone = [value for value in before if value.index in wanted]
    if not gone:
        return Refusal(ResponseCode.VALUES_NOT_FOUND)
    left = ValueList.of(value for value in before if value.index not in wanted)
    rights = 0
    for value in gone:
        rights |= _rights(value, None)
    return Edit(
        Change(handle, before, left),
        rights,
        public=all(value.permissions & Permission.PUBLIC_WRITE for value in gone),
    )


def read_only(edit: Edit) -> bool:
    """Whether it touches a value that not even administrators may write."""
    if edit.change.before is None:
        return False
    after = _by_index(edit.change.after or ValueList.of(()))
    writable = Permission.ADMIN_WRITE | Permission.PUBLIC_WRITE
    return any(
        not value.permissions & writable
        for value in edit.change.before
        if edit.change.after is not None and after.get(value.index) != value
    )


def _merged(handle: str, before: ValueList, values: ValueList, unix_now: int) -> Edit | Refusal:
    """``values`` into ``before``: each in its predecessor's place, new ones at the end."""
    old = _by_index(before)
    new = {value.index: _stamped(value, old.get(value.index), unix_now) for value in values}
    after = [new.get(value.index, value) for value in before]
    after += [value for index, value in new.items() if index not in old]
    if len(after) > MAX_VALUES:
        return Refusal(
            ResponseCode.INVALID_VALUE,
            f"the record would have {len(after)} values, at most {MAX_VALUES} are allowed",
        )
    rights = 0
    for index, value in new.items():
        rights |= _rights(old.get(index), value)
    touched = [old[index] for index in new if index in old]
    return Edit(
        Change(handle, before, ValueList.of(after)),
        rights,
        public=len(touched) == len(new)
        and all(value.permissions & Permission.PUBLIC_WRITE for value in touched),
    )


def _by_index(values: ValueList) -> Mapping[int, HandleValue]:
    return {value.index: value for value in values}


def _stamped(value: HandleValue, old: HandleValue | None, unix_now: int) -> HandleValue:
    """``value`` as changed now, or ``old`` if nothing but the time stamp differs."""
    if old is not None and replace(value, timestamp=old.timestamp) == old:
        return old
    return replace(value, timestamp=unix_now)


def _rights(old: HandleValue | None, new: HandleValue | None) -> int:
    """The rights it takes to make ``new`` of ``old`` (either may be None)."""
    if old == new:
        return 0
    if old is None:
        assert new is not None
        return AdminRight.ADD_ADMIN if _is_admin(new) else AdminRight.ADD_VALUE
    if new is None:
        return AdminRight.REMOVE_ADMIN if _is_admin(old) else AdminRight.REMOVE_VALUE
    rights = 0
    for value in (old, new):
        rights |= AdminRight.MODIFY_ADMIN if _is_admin(value) else AdminRight.MODIFY_VALUE
    return rights


def _is_admin(value: HandleValue) -> bool:
    return value.type.upper() == _ADMIN_TYPE
