"""What the LMDB backend promises beyond the contract: processes, crashes, damage, full disks."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import lmdb
import pytest

from resolver.model.errors import StoreError
from resolver.model.value import HandleValue
from resolver.storage.lmdb import LmdbStore
from resolver.wire.values import ValueList

PRELUDE = """
import os, resource, signal, sys
from pathlib import Path
from resolver.model.errors import StoreError
from resolver.model.value import HandleValue
from resolver.storage.lmdb import LmdbStore
from resolver.wire.values import ValueList
path = Path(sys.argv[1])
def records(batch, count=10_000):
    values = ValueList.of([HandleValue(1, "DESC", b"x" * 100)])
    return [(f"{batch}/{number}", values) for number in range(count)]
def attempt(work):
    try:
        work()
    except StoreError as error:
        print(error)
"""


def values(text: str = "x") -> ValueList:
    return ValueList.of([HandleValue(1, "DESC", text.encode())])


def bulk(batch: int, count: int) -> list[tuple[str, ValueList]]:
    return [(f"{batch}/{number}", values("x" * 100)) for number in range(count)]


def command(script: str, path: Path) -> list[str]:
    return [sys.executable, "-c", PRELUDE + textwrap.dedent(script), os.fspath(path)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def run(script: str, path: Path, *, returncode: int = 0) -> str:
    """What a Python process that runs ``script`` prints."""
    done = subprocess.run(
        command(script, path), env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == returncode, done.stderr
    return done.stdout.strip()


@contextmanager
def process(script: str, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process to talk to by pipes; killed at the end."""
    with subprocess.Popen(
        command(script, path), env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        yield child
        child.kill()


def line(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode().strip()


# ------------------------------------------------------------------ processes


def test_a_reader_sees_what_another_process_commits(lmdb_path: Path) -> None:
    script = """
        store = LmdbStore(path)
        for number in range(3):
            sys.stdin.readline()
            store.put_many([(f"1/{number}", ValueList.of([]))])
            print(store.generation(), flush=True)
    """
    with closing(LmdbStore(lmdb_path)) as store, process(script, lmdb_path) as child:
        assert child.stdin is not None
        for number in range(3):
            assert store.get(f"1/{number}") is None
            before = store.generation()
            child.stdin.write(b"go\n")
            child.stdin.flush()
            assert int(line(child)) == store.generation() > before
            assert store.get(f"1/{number}") == ValueList.of([])


def test_the_map_grows_in_one_transaction(lmdb_path: Path) -> None:
    with closing(LmdbStore(lmdb_path, map_octets=1 << 16)) as store:
        store.put_many(bulk(0, 20_000))
        assert store.count() == 20_000
        assert store.size_bytes() > 1 << 20
        assert store.get("0/19999") == values("x" * 100)
        store.put_many(bulk(1, 20_000))
        assert store.count() == 40_000


def test_a_reader_follows_a_map_that_another_process_grew(lmdb_path: Path) -> None:
    with closing(LmdbStore(lmdb_path, map_octets=1 << 16)) as store:
        store.put_many([("1/a", values())])
        names = store.handles()
        assert next(names) == "1/a"
        run("LmdbStore(path).put_many(records(2))", lmdb_path)
        assert store.get("2/9999") == ValueList.of([HandleValue(1, "DESC", b"x" * 100)])
        run("LmdbStore(path).put_many(records(3, 30_000))", lmdb_path)
        assert store.generation() > 0
        assert store.count() == 40_001
        run("LmdbStore(path).put_many(records(4, 90_000))", lmdb_path)
        store.put_many([("5/z", values("z"))])
        assert store.get("5/z") == values("z")


def test_a_thread_may_read_while_another_grows_the_map(lmdb_path: Path) -> None:
    with closing(LmdbStore(lmdb_path, map_octets=1 << 16)) as store, ThreadPoolExecutor(1) as pool:
        store.put_many([("1/a", values("a"))])
        writing = pool.submit(lambda: [store.put_many(bulk(batch, 2000)) for batch in range(8)])
        reads = 0
        while not writing.done() or not reads:
            assert store.get("1/a") == values("a")
            reads += 1
        assert writing.result() == [2000] * 8


def test_a_store_opened_before_a_fork_is_not_written_after_it(lmdb_path: Path) -> None:
    script = """
        store = LmdbStore(path)
        if os.fork() == 0:
            attempt(lambda: store.put_many(records(1)))
            os._exit(0)
        os.wait()
        store.put_many([("2/a", ValueList.of([]))])
    """
    assert "was opened before the fork" in run(script, lmdb_path)
    with closing(LmdbStore(lmdb_path)) as store:
        assert list(store.handles()) == ["2/a"]


def test_one_process_may_hold_many_stores(tmp_path: Path) -> None:
    stores = [LmdbStore(tmp_path / f"node-{number}" / "records.mdb") for number in range(25)]
    for number, store in enumerate(stores):
        store.put_many([(f"1/{number}", values())])
    assert [list(store.handles()) for store in stores] == [[f"1/{n}"] for n in range(25)]
    for store in stores:
        store.close()


# ------------------------------------------------------------------ crashes

WRITER = """
    store = LmdbStore(path)
    for batch in range(100):
        ready = records(batch)
        print(batch, flush=True)
        store.put_many(ready)
"""


@pytest.mark.parametrize("last", [1, 2, 3])
@pytest.mark.parametrize("moment", ["before the commit", "while pages are written"])
def test_kill_9_of_a_writer_leaves_all_or_nothing(lmdb_path: Path, last: int, moment: str) -> None:
    with process(WRITER, lmdb_path) as child:
        while int(line(child)) < last:
            pass
        size = lmdb_path.stat().st_size
        while moment != "before the commit" and lmdb_path.stat().st_size == size:
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
    with closing(LmdbStore(lmdb_path)) as store:
        counts = [len(list(store.handles(f"{batch}/"))) for batch in range(100)]
        # What had been acknowledged is there; nothing is there in part.
        assert counts[:last] == [10_000] * last
        assert set(counts[last:]) <= {0, 10_000}
        assert store.put_many(bulk(200, 10)) == 10


def test_death_inside_the_commit_leaves_all_or_nothing(lmdb_path: Path) -> None:
    # The kernel kills the writer where the file would grow, after it has written the pages that
    # the second commit freed.
    script = """
        store = LmdbStore(path)
        store.put_many(records(0))
        store.put_many(records(0))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        limit = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        store.put_many(records(1))
    """
    run(script, lmdb_path, returncode=-signal.SIGXFSZ)
    with closing(LmdbStore(lmdb_path)) as store:
        assert store.count() == 10_000
        assert list(store.handles("1/")) == []
        store.put_many(bulk(1, 10_000))
        assert store.count() == 20_000


# ------------------------------------------------------------------ what cannot be used


def test_a_missing_store_is_not_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no record store at .*none\.mdb"):
        LmdbStore(tmp_path / "none.mdb", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_file_is_refused(lmdb_path: Path) -> None:
    lmdb_path.write_bytes(b"not a store" * 1000)
    with pytest.raises(StoreError, match="this is not a record store"):
        LmdbStore(lmdb_path)
    assert lmdb_path.read_bytes() == b"not a store" * 1000


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="this is a folder, not a record store"):
        LmdbStore(tmp_path)


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot open .*file/records\.mdb"):
        LmdbStore(tmp_path / "file" / "records.mdb")


def test_another_lmdb_file_is_refused(lmdb_path: Path) -> None:
    with lmdb.open(os.fspath(lmdb_path), subdir=False) as env, env.begin(write=True) as txn:
        txn.put(b"somebody", b"else's")
    with pytest.raises(StoreError, match="an LMDB file, but not a record store"):
        LmdbStore(lmdb_path)


def test_another_format_is_refused(lmdb_path: Path) -> None:
    LmdbStore(lmdb_path).close()
    with lmdb.open(os.fspath(lmdb_path), subdir=False, max_dbs=2) as env:
        about = env.open_db(b"about")
        with env.begin(about, write=True) as txn:
            txn.put(b"format", b"wuhan records 9")
    with pytest.raises(StoreError, match="'wuhan records 9', this version reads 'wuhan records 1'"):
        LmdbStore(lmdb_path)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_an_error_and_not_a_crash(lmdb_path: Path, part: float) -> None:
    with closing(LmdbStore(lmdb_path)) as store:
        store.put_many(bulk(0, 20_000))
    os.truncate(lmdb_path, int(lmdb_path.stat().st_size * part))
    script = """
        def use():
            store = LmdbStore(path)
            print(sum(1 for _ in store.records()))
        attempt(use)
    """
    assert "damaged" in run(script, lmdb_path)


def test_a_damaged_page_is_told(lmdb_path: Path) -> None:
    with closing(LmdbStore(lmdb_path)) as store:
        store.put_many(bulk(0, 20_000))
    with lmdb_path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\0" * (lmdb_path.stat().st_size - 4 * 4096))
    assert "damaged" in run("attempt(lambda: LmdbStore(path).get('0/1'))", lmdb_path)


def test_a_damaged_record_is_told(lmdb_path: Path) -> None:
    with closing(LmdbStore(lmdb_path)) as store:
        store.put_many([("1/a", values())])
    with lmdb.open(os.fspath(lmdb_path), subdir=False, max_dbs=2) as env:
        records = env.open_db(b"records")
        with env.begin(records, write=True) as txn:
            txn.put(b"1/A", b"\x00\x00\x00\x00\x01half")
    with (
        closing(LmdbStore(lmdb_path)) as store,
        pytest.raises(StoreError, match="the stored record of '1/A' is damaged"),
    ):
        store.get("1/a")


UNPRIVILEGED = """
    import ctypes
    # Without these two capabilities root, too, has to obey the permissions of files.
    if "unprivileged" not in sys.argv and os.geteuid() == 0:
        for capability in (1, 2):
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
        os.execv(sys.executable, [*sys.orig_argv, "unprivileged"])
"""


def test_a_read_only_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o555)
    said = run(UNPRIVILEGED + "    attempt(lambda: LmdbStore(path))", folder / "records.mdb")
    assert said.startswith(f"cannot open {folder / 'records.mdb'}: ")
    assert said.endswith("cannot be read and written by this user")


def test_an_unreadable_file(lmdb_path: Path) -> None:
    LmdbStore(lmdb_path).close()
    lmdb_path.chmod(0)
    said = run(UNPRIVILEGED + "    attempt(lambda: LmdbStore(path))", lmdb_path)
    assert said.endswith("cannot be read and written by this user")


def test_a_file_that_may_not_grow_refuses_writes_and_serves_reads(lmdb_path: Path) -> None:
    # What a full disk does, without a disk to fill.
    script = """
        store = LmdbStore(path)
        store.put_many(records(0))
        size = path.stat().st_size
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 300_000, hard))
        attempt(lambda: store.put_many(records(1)))
        print(store.count(), store.get("0/1") is not None, store.get("1/1"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        store.put_many(records(1))
        print(store.count())
    """
    refused, served, recovered = run(script, lmdb_path).splitlines()
    assert refused.startswith(f"cannot write {lmdb_path}: ")
    assert refused.endswith("nothing was changed")
    assert served == "10000 True None"
    assert recovered == "20000"


def test_records_are_readable_by_their_owner_only(lmdb_path: Path) -> None:
    LmdbStore(lmdb_path).close()
    assert lmdb_path.stat().st_mode & 0o777 == 0o600
