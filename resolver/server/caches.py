"""What operators see of a node's caches, and do with them: look up, forget, write down, take in.

    cache.stats []                       entries, octets, budget, evictions, looks, by class
    cache.get [identifier]               what is known about it, in whichever process
    cache.flush [kind, name]             forget: ``all``, ``handle`` or ``prefix``; how much it was
    cache.export [file]                  write a snapshot (``resolver.cache.snapshot``)
    cache.import [file]                  take one in

Rules: each process of a node has caches of its own. What is asked of the first is carried out in
all of them, and the answers are put together.
"""

import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from resolver.cache.snapshot import documents_in, packed, snapshot, take_in
from resolver.model.errors import ConfigError, RefusedError
from resolver.model.handle import canonical
from resolver.node.state import NodeState
from resolver.server.clock import Clock
from resolver.server.muster import Muster
from resolver.wire.rest import value_to_json

OLDEST_S: Final = 86_400
"""A snapshot older than that is not taken in at a start: nothing in it would hold."""

Ask = Callable[[str, list[Any]], Awaitable[list[Any]]]
"""Carries out a call in the other processes of the node; what came back."""

_log: Final = logging.getLogger(__name__)


class Caches:
    """The caches of one process."""

    def __init__(self, state: NodeState, clock: Clock, network: str = "", worker: int = 0) -> None:
        """
        Args:
            network: see ``snapshot``.
            worker: which of the processes of its node this is.
        """
        self._network: Final = network
        self._worker: Final = worker
        self._state: Final = state
        self._clock: Final = clock
        self._calls: Final[dict[str, Callable[..., Any]]] = {
            "get": self.get,
            "flush": self.flush,
            "save": lambda path: self.save(f"{path}.{self._worker}"),
            "load": self.load,
        }

    def call(self, method: str, params: list[Any]) -> Any:
        """Carry out what another process of the node asks for."""
        return self._calls[method](*params)

    def get(self, identifier: str) -> dict[str, Any] | None:
        """What is known about an identifier."""
        now = self._clock.now()
        known = self._state.records.get(canonical(identifier), now, quietly=True)
        if known is None:
            return None
        return {
            "handle": identifier,
            "state": known.state.value,
            "responseCode": int(known.code),
            "message": known.message,
            "seconds": round(known.expires_at - now, 1),
            "values": None
            if known.values is None
            else [value_to_json(value) for value in known.values],
        }

    def flush(self, kind: str, name: str) -> int:
        """Forget everything, a handle, or a prefix and its route; how many entries that were."""
        state = self._state
        if kind == "all":
            forgotten = len(state.records.entries) + len(state.routes.known(self._clock.now()))
            state.records.clear()
            state.routes.clear()
            return forgotten
        if kind == "prefix":
            state.routes.forget(name)
            return state.records.forget_prefix(name)
        return state.records.forget(canonical(name))

    def save(self, path: str) -> int:
        """Write a snapshot; its octets. It replaces what is there when it is complete.

        Raises:
            OSError: it cannot be written.
        """
        draft, octets = Path(path + ".new"), 0
        state = self._state
        with draft.open("wb") as file:
            draft.chmod(0o600)
            for piece in snapshot(
                state.records, state.routes, self._network, self._clock.now(), self._clock.unix()
            ):
                octets += file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        return octets

    def load(self, path: str) -> dict[str, int]:
        """Take a snapshot in; how much it was (``Taken``).

        Raises:
            ConfigError: it is none.
            OSError: it cannot be read.
        """
        state = self._state
        with Path(path).open("rb") as file:
            taken = take_in(
                documents_in(file), state.records, state.routes, self._network,
                self._clock.now(), self._clock.unix(),
            )  # fmt: skip
        return asdict(taken)

    def wake(self, path: Path) -> None:
        """Begin with what was known when the node last ended, if it wrote that down."""
        try:
            if self._clock.unix() - path.stat().st_mtime > OLDEST_S:
                return
            taken = self.load(str(path))
        except FileNotFoundError:
            return
        except (ConfigError, OSError) as error:
            _log.warning("%s: begins with empty caches: %s", self._state.name, error)
            return
        _log.info("%s: took in %d records and %d routes", self._state.name,
                  taken["records"], taken["routes"])  # fmt: skip

    def rest(self, path: Path) -> None:
        """Write down what is known, for the next start."""
        if not len(self._state.records.entries):
            path.unlink(missing_ok=True)
            return
        try:
            self.save(str(path))
        except OSError as error:
            _log.warning("%s: the caches are not written down: %s", self._state.name, error)


class CacheControl:
    """The caches of all processes of a node, over the control plane."""

    def __init__(self, caches: Caches, muster: Muster, others: Ask, name: str) -> None:
        """
        Args:
            muster: what all processes have counted.
            name: of the node.
        """
        self._caches: Final = caches
        self._muster: Final = muster
        self._others: Final = others
        self._name: Final = name
        self.methods: Final[dict[str, Callable[[str, list[Any]], Any]]] = {
            "cache.stats": self._stats,
            "cache.get": self._get,
            "cache.flush": self._flush,
            "cache.export": self._export,
            "cache.import": self._import,
        }

    def _stats(self, peer: str, params: list[Any]) -> dict[str, Any]:
        lookups = self._muster.counters().cache_lookups
        return {
            "node": self._name,
            "caches": {name: asdict(figures) for name, figures in self._muster.caches().items()},
            "lookups": [[class_, result, number] for (class_, result), number in lookups.items()],
        }

    async def _get(self, peer: str, params: list[Any]) -> dict[str, Any] | None:
        match params:
            case [str(identifier)]:
                found = [self._caches.get(identifier), *await self._others("get", params)]
                return next((known for known in found if known is not None), None)
        raise RefusedError("one identifier is expected")

    async def _flush(self, peer: str, params: list[Any]) -> int:
        match params:
            case ["all" | "handle" | "prefix" as kind, str(name)]:
                done = [self._caches.flush(kind, name), *await self._others("flush", params)]
                return sum(number for number in done if number is not None)
        raise RefusedError("what to forget is expected: all, handle or prefix, and a name")

    async def _export(self, peer: str, params: list[Any]) -> int:
        """How many octets the snapshot of all processes has."""
        path = _path_in(params)
        others = await self._others("save", [path])
        try:
            octets = self._caches.save(path)
            for worker in range(1, len(others) + 1):
                octets += _append(Path(path), Path(f"{path}.{worker}"))
        except OSError as error:
            raise RefusedError(f"{path} cannot be written: {error.strerror}") from None
        return octets

    async def _import(self, peer: str, params: list[Any]) -> dict[str, int]:
        path = _path_in(params)
        try:
            taken = self._caches.load(path)
        except OSError as error:
            raise RefusedError(f"{path} cannot be read: {error.strerror}") from None
        except ConfigError as error:
            raise RefusedError(f"{path}: {error}") from None
        await self._others("load", [path])
        return taken


def _append(path: Path, part: Path) -> int:
    """Put the entries of the snapshot ``part`` behind those of another, written a moment before or
    after; how many octets these are."""
    if not part.exists():
        return 0  # its process was not there
    octets = 0
    with part.open("rb") as source, path.open("ab") as target:
        for number, document in enumerate(documents_in(source)):
            if number:
                octets += target.write(packed(document))
    part.unlink()
    return octets


def _path_in(params: list[Any]) -> str:
    match params:
        case [str(path)] if Path(path).is_absolute():
            return path
    raise RefusedError("the absolute path of a file is expected")
