"""What can be done at the console: explain an identifier, register one, rehearse faults.

Rules: the console does all of it as any client or operator would, with the client library and over
the control plane; nothing here is a way around a node's own checks. What is imported only here is
imported when it is first used, since every process of a network that starts holds this module.
"""

from typing import Any, Final

from resolver.console.watch import Watch
from resolver.model.address import format_address
from resolver.model.errors import ConfigError, RefusedError, UpstreamError
from resolver.model.handle import fold, prefix_of
from resolver.model.value import HandleValue
from resolver.topology.plan import NodeSpec
from resolver.upstream.control import CallError
from resolver.wire.values import ValueList

TIMEOUT_S: Final = 8.0
MAX_VALUES: Final = 50


class Actions:
    """What the console of one node does."""

    def __init__(self, watch: Watch) -> None:
        self._watch: Final = watch

    async def explain(self, text: str, name: str, *, fresh: bool) -> dict[str, Any]:
        """How the node called ``name`` (empty: the first recursive one) finds what ``text`` names.

        Args:
            fresh: past all caches.

        Raises:
            IdentifierError: the text names nothing.
            UpstreamError: the node does not answer.
            ConfigError: there is no such node.
        """
        from resolver.client import Client
        from resolver.client.trace import trace, trace_to_json
        from resolver.schemes.asked import handle_of
        from resolver.wire.rest import record_to_json

        identifier, handle = handle_of(text.strip())
        spec = self._front(name)
        server = format_address(spec.advertise, spec.http_port)
        async with Client(server, transport="http", timeout=TIMEOUT_S) as client:
            found = await trace(client, handle, authoritative=fresh)
        answer: dict[str, Any] = {
            "handle": handle,
            "trace": trace_to_json(found),
            "node": spec.name,
        }
        if identifier is not None and identifier.scheme != "handle":
            answer["scheme"] = identifier.scheme
        if found.record is not None:
            answer["code"] = found.record.code
            answer.update(record_to_json(found.record.handle, found.record.values))
        elif found.error is not None:
            answer["code"], answer["message"] = found.error.code, str(found.error)
        return answer

    async def register(self, asked: Any) -> dict[str, Any]:
        """Register an identifier as the sample administrator of its prefix.

        Raises:
            RefusedError, ResolutionError: it cannot be registered; the text says why.
            UpstreamError: the node does not answer.
        """
        from resolver.client.registrar import Registrar
        from resolver.client.samples import sample_key, sample_user, with_admin

        handle, values, overwrite = _registration_in(asked)
        prefix = prefix_of(handle)
        spec = self._home_of(prefix)
        user = sample_user(spec.prefix)
        server = format_address(spec.advertise, spec.port)
        async with Registrar(server, user, sample_key(spec.prefix), timeout=TIMEOUT_S) as registrar:
            made = await registrar.create(handle, with_admin(values, user), overwrite=overwrite)
        return {"handle": made, "node": spec.name}

    async def add_fault(self, asked: Any) -> dict[str, Any]:
        """Put a fault in force at a node.

        Raises:
            ConfigError, UpstreamError: it cannot be; the text says why.
        """
        from resolver.server.fault_texts import fault_from, fault_to_document

        match asked:
            case {"node": str(name), "fault": str(words)}:
                seconds, pattern = asked.get("seconds", 0), asked.get("match", "")
                if not isinstance(seconds, int | float) or not isinstance(pattern, str):
                    raise RefusedError("a fault has its seconds as a number, and a text to match")
                fault = fault_from(words.split(), match=pattern.strip(), seconds=float(seconds))
                number = await self._watch.call(name, "fault.add", fault_to_document(fault))
                await self._watch.look_at(name)
                return {"node": name, "number": number, "text": str(fault)}
        raise RefusedError("a node and a fault are expected")

    async def clear_fault(self, asked: Any) -> dict[str, Any]:
        """End one fault of a node, or all of them, or all of all nodes.

        Raises:
            ConfigError, UpstreamError: it cannot be; the text says why.
        """
        match asked:
            case {"node": str(name), "number": int() | None as number}:
                ended = await self._watch.call(name, "fault.clear", number)
                await self._watch.look_at(name)
                return {"ended": ended}
        raise RefusedError("a node is expected, and the number of a fault or null")

    def _front(self, name: str) -> NodeSpec:
        topology = self._watch.topology
        if name:
            return topology.node(name)
        fronts = [spec for spec in topology.nodes if spec.role == "recursive"]
        return (fronts or list(topology.nodes))[0]

    def _home_of(self, prefix: str) -> NodeSpec:
        for spec in self._watch.topology.nodes:
            if fold(prefix) in map(fold, spec.homes):
                return spec
        raise ConfigError(f"no node of this network holds identifiers under {prefix}")


def failure_of(error: Exception) -> str:
    """What went wrong, for people."""
    is_silence = isinstance(error, UpstreamError) and not isinstance(error, CallError)
    return f"no answer: {error}" if is_silence else str(error)


def _registration_in(asked: Any) -> tuple[str, ValueList, bool]:
    match asked:
        case {"handle": str(handle), "values": list(rows)} if 0 < len(rows) <= MAX_VALUES:
            if "/" not in handle.strip():
                raise RefusedError(f"{handle!r} is no identifier: a prefix, a slash and a suffix")
            values = []
            for number, row in enumerate(rows, 1):
                match row:
                    case [str(type_), str(data)] if type_.strip():
                        octets = data.encode("utf-8", "replace")
                        values.append(HandleValue(number, type_.strip(), octets))
                    case _:
                        raise RefusedError(f"value {number} has no type, or no text")
            return handle.strip(), ValueList.of(values), asked.get("overwrite") is True
    raise RefusedError(f"an identifier and 1 to {MAX_VALUES} values are expected")
