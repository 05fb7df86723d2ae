"""Files cut into chunks, and what is read of a chunk."""

import io

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.model.value import HandleValue
from resolver.storage.chunks import Chunk, Parsed, parse_chunk, read_chunks, read_lines
from resolver.storage.forms import MAX_LINE_OCTETS, MSGPACK_HEADER, format_msgpack
from resolver.storage.layout import key_of, pack
from resolver.wire.values import ValueList

VALUES = ValueList.of([HandleValue(1, "URL", b"https://id.example/1")])


def cut(file: bytes, octets: int) -> list[Chunk]:
    return list(read_chunks(io.BytesIO(file), octets))


def parsed(chunk: Chunk) -> Parsed:
    return parse_chunk(chunk, lambda handle: "here")


def binary(*handles: str) -> list[bytes]:
    return [format_msgpack(handle, VALUES) for handle in handles]


def refused(file: bytes, octets: int = 1 << 20) -> list[tuple[int, str]]:
    """What is told of a file, with numbers from 1 on."""
    told, before = [], 0
    for chunk in cut(file, octets):
        found = parsed(chunk)
        told += [(before + number + 1, reason) for number, reason in found.errors]
        before += found.numbered
    return told


@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=8))
def test_lines_are_cut_whole_and_none_is_lost(lines: list[bytes]) -> None:
    file = b"\n".join([b"first", *lines])
    for octets in (1, 17, 40, 1000):
        chunks = cut(file, octets)
        assert b"".join(chunk.octets for chunk in chunks) == file
        assert all(chunk.octets.endswith(b"\n") for chunk in chunks[:-1])
        counted = sum(parsed(chunk).numbered for chunk in chunks)
        assert counted == len(io.BytesIO(file).readlines())


@given(st.integers(0, 12), st.integers(1, 300))
def test_records_are_cut_whole_and_none_is_lost(count: int, octets: int) -> None:
    records = binary(*[f"1/{'x' * number}" for number in range(count)])
    chunks = cut(MSGPACK_HEADER + b"".join(records), octets)
    assert b"".join(chunk.octets for chunk in chunks) == b"".join(records)
    assert all(chunk.binary and not chunk.damage for chunk in chunks)
    found = [key for chunk in chunks for key, _ in parsed(chunk).packed["here"]]
    assert found == [key_of(f"1/{'x' * number}") for number in range(count)]


def test_a_record_of_messagepack_is_what_the_store_holds() -> None:
    name = "1/\udcff-Ä"
    (chunk,) = cut(MSGPACK_HEADER + format_msgpack(name, VALUES), 1000)
    key = key_of(name)
    assert parsed(chunk).packed == {"here": [(key, pack(name, key, VALUES.octets))]}
    # Anybody can write this form.
    assert msgpack.packb(["1/a", VALUES.octets]) == binary("1/a")[0]
    assert msgpack.unpackb(MSGPACK_HEADER) == ["wuhan records", 1]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"\x20", "a record is an array of the handle"),
        (msgpack.packb("1/a"), "a record is an array of the handle"),
        (msgpack.packb(["1/a"]), "a record is an array of the handle"),
        (msgpack.packb([b"1/a", VALUES.octets]), "a record is an array of the handle"),
        (msgpack.packb({"1/a": 1, b"x": 2}), "a record is an array of the handle"),
        (msgpack.packb({(1,): 1}), "a record is an array of the handle"),
        (b"\xd5\xffxy", "a record is an array of the handle"),
        (msgpack.packb(["1/a", VALUES.octets[:-1]]), "that go past the end"),
        (msgpack.packb(["1/a", VALUES.octets + b"x"]), "1 octets after the values"),
        (msgpack.packb(["1/a", b""]), "octets expected"),
        (msgpack.packb(["88.901", VALUES.octets]), "has no slash"),
        (msgpack.packb(["1/" + "x" * 2047, VALUES.octets]), "at most 2048 are allowed"),
    ],
)
def test_a_bad_record_is_told_and_the_others_go_in(record: bytes, reason: str) -> None:
    before, after = binary("1/before", "1/after")
    file = MSGPACK_HEADER + before + record + after
    (told,) = refused(file)
    assert told[0] == 2
    assert reason in told[1]
    for octets in (1, 50, 1000):
        packed = [
            key for each in cut(file, octets) for key, _ in parsed(each).packed.get("here", [])
        ]
        assert packed == [b"1/BEFORE", b"1/AFTER"]


@pytest.mark.parametrize("octets", [1, 50, 1000])
def test_what_cannot_be_read_on_is_told_once(octets: int) -> None:
    records = b"".join(binary("1/a", "1/b"))
    for tail, reason in (
        (b"\xc1" + records, "this is not MessagePack; whatever follows is left out too"),
        (records[:20], "the file ends within this record; whatever follows is left out too"),
        (b"\xdd\xff\xff\xff\xff", "the file ends within this record; whatever"),
        (b"\x91" * 5000, "this is not MessagePack; whatever"),
    ):
        ((number, told),) = refused(MSGPACK_HEADER + records + tail, octets)
        assert number == 3
        assert told.startswith(reason)


def test_a_record_that_never_ends_does_not_fill_memory() -> None:
    class Endless(io.BytesIO):
        given = 0

        def read(self, size: int | None = -1) -> bytes:
            self.given += 1
            start = MSGPACK_HEADER + b"\xc6\xff\xff\xff\xff" if self.given == 1 else b""
            return start + b"x" * (1 << 20)

    stream = Endless()
    (chunk,) = read_chunks(stream)
    assert chunk.damage.startswith(f"a record longer than {MAX_LINE_OCTETS} octets")
    assert stream.given < 8


def test_an_empty_file_has_no_chunks() -> None:
    assert cut(b"", 10) == cut(MSGPACK_HEADER, 10) == []


@pytest.mark.parametrize("length", [MAX_LINE_OCTETS - 1, MAX_LINE_OCTETS, MAX_LINE_OCTETS + 1])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_lines_of_a_file_are_bounded(length: int, end: bytes) -> None:
    rest = [b"after\n"] if end else []
    lines = list(read_lines(io.BytesIO(b"x" * length + end + b"".join(rest))))
    assert lines[1:] == rest
    assert len(lines[0].rstrip(b"\r\n")) == length
    assert len(lines[0]) <= MAX_LINE_OCTETS + 2


def test_an_endless_line_is_skipped() -> None:
    endless = b"x" * (3 * MAX_LINE_OCTETS + 5) + b"\nafter\n"
    lines = list(read_lines(io.BytesIO(endless)))
    assert [len(line) for line in lines] == [MAX_LINE_OCTETS + 2, 6]
    chunks = cut(b"before\n" + endless, 1 << 20)
    assert max(len(chunk.octets) for chunk in chunks) == MAX_LINE_OCTETS + 2
    told = refused(b"before\n" + endless)
    assert [number for number, _ in told] == [1, 2, 3]
    assert told[1][1] == f"longer than {MAX_LINE_OCTETS} octets"
    # Nothing is behind it.
    assert [number for number, _ in refused(endless.partition(b"\n")[0])] == [1]
