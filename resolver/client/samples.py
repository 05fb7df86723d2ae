"""The sample administrators of a sandbox, and what a record needs so that its administrator may
change it again."""

from typing import Final

from resolver.client.keys import Secret
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue, Reference
from resolver.wire.typed import encode_admin
from resolver.wire.values import ValueList

SAMPLE_INDEX: Final = 301
ADMIN_INDEX: Final = 100
_ADMIN_TYPE: Final = "HS_ADMIN"


def sample_user(prefix: str) -> Reference:
    """The administrator of a sample prefix."""
    return Reference(f"{prefix}/ADMIN", SAMPLE_INDEX)


def sample_key(prefix: str) -> Secret:
    """Their secret, which is none."""
    return Secret(f"SAMPLE-NOT-SECRET-{prefix}".encode())


def with_admin(values: ValueList, user: Reference) -> ValueList:
    """``values`` with an HS_ADMIN for ``user``, unless there is one already."""
    if any(True for _ in values.of_type(_ADMIN_TYPE)):
        return values
    taken = set(values.indexes())
    index = next(number for number in range(ADMIN_INDEX, 2**31) if number not in taken)
    admin = AdminRecord(AdminRight.ALL, user.handle, user.index)
    return ValueList.of([*values, HandleValue(index, _ADMIN_TYPE, encode_admin(admin))])
