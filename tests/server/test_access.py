"""The access log on disk."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from resolver.server import access
from resolver.server.access import AccessFile
from resolver.telemetry.access import Asked, Head, read
from tests.support.command import until

HEAD = Head("works", 1)


def row(number: int) -> Asked:
    return Asked(float(number), 0.1, "", "udp", "ready", 1, 0, f"88.901.1/{number}", (), (), 1)


def files_in(folder: Path) -> dict[str, int]:
    """Sizes by name."""
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def times_in(path: Path) -> list[int]:
    with path.open("rb") as file:
        head, rows = read(file, str(path))
        assert head == HEAD
        return [int(asked.time) for asked in rows]


@pytest.mark.parametrize("form", ["jsonl", "msgpack"])
async def test_files_are_bounded_and_the_oldest_go(tmp_path: Path, form: str):
    path = tmp_path / f"access-0.{form}"
    file = AccessFile(path, form, HEAD, size=4096, keep=2)
    for number in range(1000):
        file.keep(row(number))
    await file.close()
    found = files_in(tmp_path)
    names = sorted(found)
    assert names == [path.name, f"{path.name}.1", f"{path.name}.2"]
    assert max(found.values()) < 4096 + 300
    kept = [time for name in reversed(names) for time in times_in(tmp_path / name)]
    assert kept == list(range(1000 - len(kept), 1000)), "without a gap, and the latest"


async def test_a_restart_goes_on_in_the_file(tmp_path: Path):
    path = tmp_path / "access-0.jsonl"
    for number in (1, 2):
        file = AccessFile(path, "jsonl", HEAD, size=1 << 20, keep=0)
        file.keep(row(number))
        await file.close()
    assert times_in(path) == [1, 2]


async def test_it_is_written_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(access, "INTERVAL_S", 0.0)
    path = tmp_path / "access-0.jsonl"
    file = AccessFile(path, "jsonl", HEAD, size=1 << 20, keep=0)

    def there(count: int) -> bool:
        return path.exists() and len(times_in(path)) == count

    for number in (1, 2):
        file.keep(row(number))
        await asyncio.to_thread(until, partial(there, number))
    await file.close()


async def test_what_does_not_fit_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(access, "MAX_GATHERED", 5)
    path = tmp_path / "access-0.jsonl"
    file = AccessFile(path, "jsonl", HEAD, size=1 << 20, keep=0)
    for number in range(8):
        file.keep(row(number))
    await file.close()
    assert times_in(path) == [0, 1, 2, 3, 4]
    assert "3 requests were left out" in caplog.text


async def test_a_folder_that_is_gone_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    file = AccessFile(tmp_path / "gone" / "access-0.jsonl", "jsonl", HEAD, size=1024, keep=0)
    file.keep(row(1))
    await file.close()
    assert "cannot be written" in caplog.text
    assert "1 requests were left out" in caplog.text
