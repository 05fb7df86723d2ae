"""The benchmark of large stores measures what it says: the real command, real nodes, answers
checked. How fast it is, is for the benchmark to say."""

import json
from pathlib import Path

import pytest

from bench import records, store
from resolver.storage.chunks import parse_chunk, read_chunks
from resolver.storage.forms import FORMS


@pytest.mark.slow
def test_a_short_run(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    options = ["--records", "3000", "--small", "100", "--shuffled", "500", "--rounds", "1"]
    status = store.main(
        [*options, "--rate", "200", "--seconds", "0.5", "--folder", str(tmp_path), "--json"]
    )
    report = json.loads(capsys.readouterr().out)
    assert status == (0 if report["met"] else 4)
    assert report["value_octets"] == 140
    for name, count in (("jsonl", 3000), ("msgpack", 3000), ("shuffled", 500), ("raw", 3000)):
        row = report["import"][name]
        assert row["records"] == count
        assert row["rate"] == pytest.approx(count / row["seconds"])
        assert row["cpu_us"] > 0
    assert 140 < report["octets_per_record"] < 400
    assert all(0 < seconds < 60 for seconds in report["start"].values())
    for name in ("large", "small"):
        row = report["resolve"][name]
        assert (row["right"], row["wrong"]) == (100, 0)
        assert 0 < row["p50_ms"] <= row["p99_ms"]
    store.print_report(report)
    assert "MessagePack, in no order (500)" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_records_are_the_same_on_every_run(tmp_path: Path):
    found = {}
    for form in FORMS:
        for shuffled in (False, True):
            path = tmp_path / f"{form}-{shuffled}"
            records.write_file(path, form, 1200, shuffled=shuffled)
            with path.open("rb") as file:
                parsed = [parse_chunk(each, lambda handle: "") for each in read_chunks(file)]
            assert not any(each.errors for each in parsed)
            found[form, shuffled] = [pair for each in parsed for pair in each.packed[""]]
    pairs = [pair for block in records.stored_pairs(1200) for pair in block]
    assert len(set(pairs)) == 1200
    assert found["jsonl", False] == found["msgpack", False] == sorted(pairs) == pairs
    assert found["jsonl", True] == found["msgpack", True] != pairs
    assert sorted(found["jsonl", True]) == pairs


@pytest.mark.parametrize("count", [1, 2, 3, 10, 61])
def test_no_order_leaves_no_record_out(count: int):
    made = records.blocks(count, lambda handle, values: handle.encode(), shuffled=True)
    numbers = sorted(int(handle.rpartition(b"/")[2]) for block in made for handle in block)
    assert numbers == list(range(count))
