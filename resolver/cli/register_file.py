"""``wuhan register --file``: many records, each acknowledged, resumable.

Rules: the checkpoint says up to which line everything is settled, and what became of it; it is
written aside and renamed, every second and at the end. Whatever lies between it and the moment of a
crash is sent again, which changes nothing (``resolver.client.bulk``).
"""

import asyncio
import hashlib
import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Final

import click

from resolver.cli import output
from resolver.cli.register import Who
from resolver.client.bulk import FAILED, Item, Settled, register_all
from resolver.client.samples import with_admin
from resolver.model.errors import ConfigError, ResolverError
from resolver.model.handle import fold, prefix_of
from resolver.model.text import printable
from resolver.model.value import Reference
from resolver.storage.chunks import read_lines
from resolver.storage.forms import parse_line
from resolver.wire.values import EMPTY

SOME_FAILED: Final = 1
_FORMAT: Final = "wuhan register 1"
_SHOWN: Final = 20
_SAVE_S: Final = 1.0
_DIGEST_OCTETS: Final = 1 << 20

Take = Callable[[Settled], None]


class _Run:
    """One run over a file, from its checkpoint on."""

    def __init__(self, path: Path, checkpoint: Path) -> None:
        self.path: Final = path
        self.checkpoint: Final = checkpoint
        self.digest: Final = _digest_of(path)
        self.line = 0
        self.counts: Counter[str] = Counter()
        self._saved_at = time.monotonic()

    def load(self) -> None:
        """Go on where an earlier run stopped.

        Raises:
            ConfigError: the checkpoint is that of another file, or none.
        """
        if not self.checkpoint.exists():
            return
        advice = "give another --checkpoint, or remove it to begin anew"
        try:
            document = json.loads(self.checkpoint.read_bytes())
            line, counts = int(document["line"]), Counter(dict(document["counts"]))
            known = (document["format"], document["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            raise ConfigError(f"{self.checkpoint} is no checkpoint; {advice}") from None
        if known != (_FORMAT, self.digest):
            raise ConfigError(f"{self.checkpoint} belongs to another file; {advice}")
        self.line, self.counts = line, counts

    def settle(self, line: int, outcome: str) -> None:
        """Everything up to ``line`` is settled now."""
        self.line = line
        self.counts[outcome] += 1
        if time.monotonic() - self._saved_at > _SAVE_S:
            self.save()

    def save(self) -> None:
        """Write the checkpoint."""
        self._saved_at = time.monotonic()
        document = {
            "format": _FORMAT,
            "file": str(self.path),
            "digest": self.digest,
            "line": self.line,
            "counts": dict(self.counts),
        }
        draft = self.checkpoint.with_name(self.checkpoint.name + ".new")
        with draft.open("w", encoding="utf-8") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.checkpoint)


def register_file(
    who: Who,
    path: Path,
    checkpoint: str | None,
    error_file: str | None,
    *,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Register the records of a file and print what became of them."""
    run = _Run(path, Path(checkpoint) if checkpoint else path.with_name(path.name + ".progress"))
    run.load()
    if run.line:
        output.notice(f"going on after line {run.line:,} of {path}")
    total = sum(1 for _ in path.open("rb"))
    shown: list[str] = []
    with ExitStack() as opened:
        errors: IO[str] | None = None
        if error_file is not None:
            mode = "a" if run.line else "w"
            errors = opened.enter_context(Path(error_file).open(mode, encoding="utf-8"))
        advance = opened.enter_context(output.progress("lines registered", total))
        advance(run.line)

        def take(settled: Settled) -> None:
            advance(settled.item.line - run.line)
            run.settle(settled.item.line, settled.outcome)
            if settled.outcome == FAILED:
                _complain(settled.item.line, settled.reason, shown, errors)

        try:
            asyncio.run(_register(who, run, overwrite, take))
        finally:
            run.save()
    for text in shown:
        output.notice(f"{path}:{text}")
    _print(run, as_json)
    if run.counts[FAILED]:
        raise click.exceptions.Exit(SOME_FAILED)
    run.checkpoint.unlink(missing_ok=True)


class _Lines:
    """The records behind the checkpoint, one of which can be looked at before it is taken."""

    def __init__(self, records: Iterator[Item]) -> None:
        self._records: Final = records
        self.next: Item | None = next(records, None)

    def of_prefix(self, prefix: str, user: Reference) -> Iterator[Item]:
        """Take those that follow one another under ``prefix``, with their administrator."""
        while self.next is not None and fold(prefix_of(self.next.handle)) == fold(prefix):
            item = self.next
            self.next = next(self._records, None)
            yield Item(item.line, item.handle, with_admin(item.values, user))


async def _register(who: Who, run: _Run, overwrite: bool, take: Take) -> None:
    """All lines behind the checkpoint, in their order."""
    bad: deque[Settled] = deque()
    lines = _Lines(_records(run, bad))
    while lines.next is not None:
        prefix = prefix_of(lines.next.handle)
        connect = partial(who.registrar, prefix, await who.server_for(prefix))
        items = lines.of_prefix(prefix, who.user_for(prefix))
        async for settled in register_all(connect, items, overwrite=overwrite):
            _settle_bad(bad, settled.item.line, take)
            take(settled)
    _settle_bad(bad, None, take)


def _settle_bad(bad: deque[Settled], before: int | None, take: Take) -> None:
    while bad and (before is None or bad[0].item.line < before):
        take(bad.popleft())


def _records(run: _Run, bad: deque[Settled]) -> Iterator[Item]:
    """The records behind the checkpoint; lines that are none go to ``bad``."""
    with run.path.open("rb") as stream:
        for number, line in enumerate(read_lines(stream), 1):
            line = line.strip(b"\r\n")
            if number <= run.line or not line or line.isspace():
                continue
            try:
                yield Item(number, *parse_line(line))
            except ResolverError as error:
                bad.append(Settled(Item(number, "", EMPTY), FAILED, str(error)))


def _complain(line: int, reason: str, shown: list[str], errors: IO[str] | None) -> None:
    if len(shown) < _SHOWN:
        shown.append(f"{line}: {printable(reason)}")
    if errors is not None:
        errors.write(json.dumps({"line": line, "reason": reason}, ensure_ascii=True) + "\n")


def _print(run: _Run, as_json: bool) -> None:
    counts = {name: run.counts[name] for name in ("created", "replaced", "unchanged", FAILED)}
    if as_json:
        output.emit_json({"file": str(run.path), **counts})
    else:
        click.echo(", ".join(f"{number:,} {name}" for name, number in counts.items()))


def _digest_of(path: Path) -> str:
    """Of the file's size and first mebibyte: enough to know it again."""
    with path.open("rb") as file:
        head = file.read(_DIGEST_OCTETS)
    size = path.stat().st_size
    return hashlib.sha256(size.to_bytes(8, "big") + head).hexdigest()
