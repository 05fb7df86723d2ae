"""MessagePack-RPC: frames in, frames out, and nothing but WireError for the rest."""

from contextlib import suppress

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.model.errors import WireError
from resolver.wire.rpc import (
    CALL_OCTET,
    MAX_ELEMENTS,
    Call,
    Result,
    RpcReader,
    encode_call,
    encode_result,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NUMBERS = st.integers(0, 2**32 - 1)


@given(NUMBERS, st.text(max_size=100), st.lists(VALUES, max_size=4))
def test_calls_come_back(number: int, method: str, params: list):
    octets = encode_call(Call(number, method, params))
    assert octets[0] == CALL_OCTET
    assert RpcReader().feed(octets) == [Call(number, method, params)]


@given(NUMBERS, st.none() | st.text(), VALUES)
def test_results_come_back(number: int, error: str | None, value: object):
    octets = encode_result(Result(number, error, value))
    assert RpcReader().feed(octets) == [Result(number, error, value)]


def test_however_they_are_cut():
    frames = [Call(1, "one", [b"x" * 1000]), Result(2, None, ["two"]), Call(3, "three", [])]
    octets = b"".join(encode_call(f) if isinstance(f, Call) else encode_result(f) for f in frames)
    reader, found = RpcReader(), []
    for at in range(0, len(octets), 7):
        found += reader.feed(octets[at : at + 7])
    assert found == frames


@pytest.mark.parametrize(
    "document",
    [
        None,
        5,
        [],
        [0, 1, "method"],
        [0, "one", "method", []],
        [0, -1, "method", []],
        [0, 2**32, "method", []],
        [0, 1, "m" * 101, []],
        [0, 1, 2, []],
        [0, 1, "method", {}],
        [1, 1, 5, None],
        [2, "method", []],
        {"a": 1},
    ],
)
def test_what_is_no_frame(document: object):
    with pytest.raises(WireError):
        RpcReader().feed(msgpack.packb(document))


@pytest.mark.parametrize(
    "octets",
    [
        b"\xdd\xff\xff\xff\xff",  # an array of four billion
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\x94" * 100_000,  # arrays in arrays
        b"\x94\x00\x01\xc1",
        b"x" * 3000,
        b"\x94\x00\x01\xa1m\xdd" + (MAX_ELEMENTS + 1).to_bytes(4, "big"),
        b"\x94\x00\x01\xa1m\xc6" + (2 << 20).to_bytes(4, "big"),
    ],
)
def test_bombs(octets: bytes):
    """No later than when the announced octets are more than a frame may have."""
    with pytest.raises(WireError):
        _feed(RpcReader(2000), [octets, *[b"x" * 1000] * 5])


def _feed(reader: RpcReader, parts: list[bytes]) -> None:
    for part in parts:
        reader.feed(part)


@given(st.binary(max_size=300))
def test_rubbish(octets: bytes):
    with suppress(WireError):
        RpcReader(1000).feed(octets)


def test_what_cannot_be_sent():
    for value in (object(), 2**70, {1, 2}):
        with pytest.raises(WireError):
            encode_call(Call(1, "method", [value]))
