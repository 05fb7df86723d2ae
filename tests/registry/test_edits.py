"""What requests to change a record come to: the record, the rights it takes, or a refusal."""

import pytest

from resolver.model.codes import ResponseCode
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue, Permission
from resolver.registry import edits
from resolver.registry.edits import Edit, Refusal
from resolver.wire.typed import encode_admin
from resolver.wire.values import ValueList

NOW = 1_795_000_000
OLD = 1_700_000_000
HANDLE = "88.901.1/x"


def value(index: int, data: str = "x", type_: str = "URL", **fields: int) -> HandleValue:
    return HandleValue(index, type_, data.encode(), **{"timestamp": OLD, **fields})


def admin(index: int, handle: str = "88.901.1/ADMIN") -> HandleValue:
    octets = encode_admin(AdminRecord(AdminRight.ALL, handle, 300))
    return HandleValue(index, "HS_ADMIN", octets, timestamp=OLD)


def record(*values: HandleValue) -> ValueList:
    return ValueList.of(values)


BEFORE = record(value(1, "one"), value(2, "two"), admin(100))


def after(edit: Edit | Refusal) -> list[tuple[int, str, int]]:
    assert isinstance(edit, Edit)
    assert edit.change.after is not None
    return [
        (v.index, v.text if v.type == "URL" else v.type, v.timestamp) for v in edit.change.after
    ]


def rights(edit: Edit | Refusal) -> int:
    assert isinstance(edit, Edit)
    return edit.rights


def create(*values: HandleValue, before: ValueList | None = None, overwrite: bool = False):
    return edits.create(HANDLE, record(*values), before, overwrite=overwrite, unix_now=NOW)


def add(*values: HandleValue, overwrite: bool = False):
    return edits.add(HANDLE, record(*values), BEFORE, overwrite=overwrite, unix_now=NOW)


def modify(*values: HandleValue, before: ValueList = BEFORE):
    return edits.modify(HANDLE, record(*values), before, unix_now=NOW)


def test_a_new_record_is_stamped_by_the_server():
    edit = create(value(1, "one", timestamp=5))
    assert after(edit) == [(1, "one", NOW)]
    assert rights(edit) == AdminRight.CREATE_HANDLE
    assert not edit.overwrites


def test_a_new_prefix_takes_another_right():
    edit = edits.create("0.NA/88.901.2", record(), None, overwrite=False, unix_now=NOW)
    assert rights(edit) == AdminRight.CREATE_PREFIX


def test_overwriting_takes_the_rights_for_what_changes_and_keeps_the_stamps_of_the_rest():
    edit = create(value(1, "one"), value(3, "three"), admin(100), before=BEFORE, overwrite=True)
    assert after(edit) == [(1, "one", OLD), (3, "three", NOW), (100, "HS_ADMIN", OLD)]
    assert rights(edit) == AdminRight.ADD_VALUE | AdminRight.REMOVE_VALUE
    assert edit.overwrites
    other = create(value(1, "1"), value(2, "two"), admin(100, "x"), before=BEFORE, overwrite=True)
    assert rights(other) == AdminRight.MODIFY_VALUE | AdminRight.MODIFY_ADMIN


def test_adding_puts_values_at_the_end():
    edit = add(value(3, "three"), admin(101))
    assert [index for index, _, _ in after(edit)] == [1, 2, 100, 3, 101]
    assert rights(edit) == AdminRight.ADD_VALUE | AdminRight.ADD_ADMIN


def test_adding_over_what_is_there():
    refusal = add(value(2, "2"))
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.reason) == (
        ResponseCode.VALUE_EXISTS,
        "there is a value of index 2 already",
    )
    edit = add(value(2, "2"), value(4, "4"), overwrite=True)
    assert after(edit)[1] == (2, "2", NOW)
    assert rights(edit) == AdminRight.ADD_VALUE | AdminRight.MODIFY_VALUE
    assert edit.overwrites


def test_modifying_keeps_the_place():
    edit = modify(value(2, "2"), value(1, "one", timestamp=NOW))
    assert after(edit) == [(1, "one", OLD), (2, "2", NOW), (100, "HS_ADMIN", OLD)]
    assert rights(edit) == AdminRight.MODIFY_VALUE


@pytest.mark.parametrize("changed", [value(100, "no admin now"), admin(1)])
def test_into_or_out_of_an_administrator_takes_both_rights(changed: HandleValue):
    assert rights(modify(changed)) == AdminRight.MODIFY_VALUE | AdminRight.MODIFY_ADMIN


def test_removing():
    edit = edits.remove(HANDLE, [2, 100, 999], BEFORE)
    assert after(edit) == [(1, "one", OLD)]
    assert rights(edit) == AdminRight.REMOVE_VALUE | AdminRight.REMOVE_ADMIN


def test_deleting():
    edit = edits.delete(HANDLE, BEFORE)
    assert isinstance(edit, Edit)
    assert edit.change.after is None
    assert rights(edit) == AdminRight.DELETE_HANDLE


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (create(before=BEFORE), ResponseCode.HANDLE_EXISTS),
        (edits.checked_values(record(value(0))), ResponseCode.INVALID_VALUE),
        (edits.checked_values(record(value(-1))), ResponseCode.INVALID_VALUE),
        (edits.checked_values(record(value(1), value(1))), ResponseCode.VALUE_EXISTS),
        (modify(value(9)), ResponseCode.VALUES_NOT_FOUND),
        (edits.remove(HANDLE, [9], BEFORE), ResponseCode.VALUES_NOT_FOUND),
        (edits.delete(HANDLE, None), ResponseCode.HANDLE_NOT_FOUND),
        (edits.remove(HANDLE, [1], None), ResponseCode.HANDLE_NOT_FOUND),
        (
            edits.add(HANDLE, record(), None, overwrite=False, unix_now=NOW),
            ResponseCode.HANDLE_NOT_FOUND,
        ),
        (add(*(value(n) for n in range(1000, 3046))), ResponseCode.INVALID_VALUE),
    ],
)
def test_refusals(edit: Edit | Refusal | None, code: ResponseCode):
    assert isinstance(edit, Refusal)
    assert edit.code == code


def test_what_anybody_may_write():
    anybody = Permission.DEFAULT | Permission.PUBLIC_WRITE
    open_ = record(value(1, permissions=anybody), value(2))
    assert modify(value(1, "new"), before=open_).public
    assert not modify(value(1, "new"), value(2, "new"), before=open_).public
    assert edits.remove(HANDLE, [1], open_).public
    assert not edits.remove(HANDLE, [1, 2], open_).public
    assert not edits.add(
        HANDLE, record(value(3, permissions=anybody)), open_, overwrite=False, unix_now=NOW
    ).public


def test_what_nobody_may_write():
    closed = record(value(1, permissions=Permission.PUBLIC_READ), value(2))
    assert edits.read_only(modify(value(1, "new"), before=closed))
    assert not edits.read_only(modify(value(2, "new"), before=closed))
    assert not edits.read_only(edits.delete(HANDLE, closed))
    assert edits.read_only(edits.remove(HANDLE, [1], closed))
