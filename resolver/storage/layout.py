"""How a record looks inside an ordered key-value store.

    key    the folded handle in UTF-8, at most 510 octets; of a longer one the first 479 octets
           and the SHA-256 of all of it, 511 octets together, so no short key equals a long one
    value  flags  u1      bit 0: a name follows
           name   u2 length + octets: the handle as spelt, kept if it differs from the key
           values the encoded value list, to the end

Keys sort by their octets; long handles that share their first 479 octets sort by hash.
"""

from hashlib import sha256
from typing import Final

from resolver.model.errors import StoreError, WireError
from resolver.wire.cursor import decode_text, encode_text
from resolver.wire.values import ValueList

MAX_KEY_OCTETS: Final = 511
"""LMDB's limit, and so everyone's."""

_HEAD_OCTETS: Final = MAX_KEY_OCTETS - sha256().digest_size
_PLAIN: Final = b"\x00"
_NAMED: Final = b"\x01"


def fold_octets(handle: str) -> bytes:
    """The octets of ``resolver.model.handle.fold(handle)``; ``bytes.upper`` folds ASCII alone.

    Raises:
        StoreError: the text is not what any octets decode to (a lone surrogate).
    """
    try:
        return handle.encode("utf-8", "surrogateescape").upper()
    except UnicodeEncodeError:
        raise StoreError(f"the handle {handle!r} has characters that UTF-8 cannot carry") from None


def key_of(handle: str) -> bytes:
    """The key of ``handle``, the same for every ASCII case of it."""
    return key_of_octets(fold_octets(handle))


def key_of_octets(folded: bytes) -> bytes:
    """``key_of`` by the octets of a folded handle."""
    if len(folded) < MAX_KEY_OCTETS:
        return folded
    return folded[:_HEAD_OCTETS] + sha256(folded).digest()


def prefix_key(prefix: bytes) -> bytes:
    """What the keys of all handles that start with ``prefix`` (folded) start with."""
    return prefix[:_HEAD_OCTETS]


def pack(handle: str, key: bytes, values: bytes) -> bytes:
    """The stored value of a record, out of its encoded value list; ``key`` is that of
    ``handle``."""
    name = encode_text(handle)
    if name == key:
        return _PLAIN + values
    return b"".join((_NAMED, len(name).to_bytes(2, "big"), name, values))


def packed(handle: str, values: bytes) -> tuple[bytes, bytes]:
    """Key and stored value of a record, as ``key_of`` and ``pack`` make them, but quicker."""
    try:
        name = handle.encode()
    except UnicodeEncodeError:
        key = key_of(handle)
        return key, pack(handle, key, values)
    key = name.upper()
    if len(key) >= MAX_KEY_OCTETS:
        key = key_of(handle)
    if name == key:
        return key, _PLAIN + values
    return key, b"".join((_NAMED, len(name).to_bytes(2, "big"), name, values))


def unpack_name(key: bytes, stored: bytes) -> str:
    """The handle of a record as it was spelt.

    Raises:
        StoreError: ``stored`` is not what ``pack`` makes.
    """
    if stored[:1] == _NAMED:
        return decode_text(stored[3 : _values_offset(key, stored)])
    return decode_text(key)


def unpack_octets(key: bytes, stored: bytes) -> bytes:
    """The encoded values of a record.

    Raises:
        StoreError: ``stored`` is not what ``pack`` makes.
    """
    return stored[1 if stored.startswith(_PLAIN) else _values_offset(key, stored) :]


def unpack_values(key: bytes, stored: bytes) -> ValueList:
    """The values of a record.

    Raises:
        StoreError: ``stored`` is not what ``pack`` makes.
    """
    try:
        return ValueList.parse(unpack_octets(key, stored))
    except WireError as error:
        raise _damaged(key, str(error)) from None


def _values_offset(key: bytes, stored: bytes) -> int:
    if stored[:1] == _PLAIN:
        return 1
    end = 3 + int.from_bytes(stored[1:3], "big")
    if stored[:1] != _NAMED or len(stored) < end + 4:
        raise _damaged(key, "no such layout")
    return end


def _damaged(key: bytes, reason: str) -> StoreError:
    return StoreError(f"the stored record of {decode_text(key)!r} is damaged: {reason}")
