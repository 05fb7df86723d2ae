"""Keys and stored values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.model.errors import StoreError
from resolver.model.handle import fold
from resolver.model.value import HandleValue
from resolver.storage.layout import (
    fold_octets,
    key_of,
    pack,
    packed,
    prefix_key,
    unpack_name,
    unpack_values,
)
from resolver.wire.cursor import decode_text, encode_text
from resolver.wire.values import ValueList

VALUES = ValueList.of([HandleValue(1, "URL", b"https://id.example/1")])
names = st.binary(min_size=1, max_size=1200).map(decode_text)


@given(names)
def test_folding_octets_is_folding_text(name: str) -> None:
    assert fold_octets(name) == encode_text(fold(name))


@given(names)
def test_names_and_values_come_back(name: str) -> None:
    key = key_of(name)
    assert len(key) <= 511
    assert key.startswith(prefix_key(fold_octets(name)))
    stored = pack(name, key, VALUES.octets)
    assert unpack_name(key, stored) == name
    assert unpack_values(key, stored) == VALUES
    assert packed(name, VALUES.octets) == (key, stored)


def test_a_folded_name_costs_one_octet() -> None:
    key = key_of("88.901.1/000001")
    assert key == b"88.901.1/000001"
    assert pack("88.901.1/000001", key, VALUES.octets) == b"\x00" + VALUES.octets


def test_another_spelling_is_kept_beside_the_key() -> None:
    key = key_of("1/a")
    assert key == b"1/A"
    assert pack("1/a", key, VALUES.octets) == b"\x01\x00\x031/a" + VALUES.octets


@pytest.mark.parametrize(
    "stored",
    [b"", b"\x00", b"\x02" + VALUES.octets, b"\x01\xff\xff1/a" + VALUES.octets, b"\x00" * 4],
)
def test_damage_is_told(stored: bytes) -> None:
    with pytest.raises(StoreError, match="the stored record of '1/A' is damaged"):
        unpack_values(b"1/A", stored)
