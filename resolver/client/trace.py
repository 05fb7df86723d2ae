"""The path of a resolution, for people who look for what went wrong.

A node of this project tells its own path through its HTTP door (``?trace=true``), with the state of
its cache. Any other server is asked plainly, and then the tree is walked from here, starting at
that server; ``Trace.note`` says so. A walk shows who answers for what, not what the server did.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote, urlencode

from resolver.client.address import parse_address
from resolver.client.client import Client, Options
from resolver.client.errors import ResolutionError, error_for
from resolver.client.record import Record
from resolver.model.address import format_address
from resolver.model.codes import ResponseCode
from resolver.model.errors import ResolverError, UpstreamError
from resolver.model.site import Protocol
from resolver.wire.answer import Hop
from resolver.wire.rest import record_from_json

_log: Final = logging.getLogger(__name__)

_NOTE_WALKED: Final = "the server does not tell its path; this is a walk from here, starting there"
_NOTE_DIRECT: Final = "the server does not tell its path, and a walk from there leads nowhere"
_MAX_OCTETS: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Trace:
    """How an answer came about.

    Attributes:
        handle: as asked.
        node: name of the server that resolved, if it told; ``server`` is its address.
        cache: the state of its cache for this question: ``hit``, ``miss``, …; or empty.
        ttl: seconds for which it may keep the answer.
        seconds: from the question to the answer, as that server measured it.
        hops: the exchanges it took; none for an answer from the cache.
        record, error: the outcome, one of them.
        note: empty if the server told all this itself; else what was done instead.
    """

    handle: str
    node: str
    server: str
    cache: str
    ttl: int | None
    seconds: float
    hops: tuple[Hop, ...]
    record: Record | None
    error: ResolutionError | None
    note: str = ""


async def trace(
    client: Client,
    handle: str,
    *,
    types: tuple[str, ...] = (),
    indexes: tuple[int, ...] = (),
    authoritative: bool = False,
) -> Trace:
    """The path of ``handle`` as the client's server tells it, or as a walk from here finds it.

    Raises:
        UpstreamError: the server does not answer at all.
    """
    options = Options(types=types, indexes=indexes, authoritative=authoritative)
    server = client.server
    if server is None:
        return _trace_of(handle, await _outcome(client, handle, options), "here")
    told = await _told_by_server(client, server, handle, options)
    if told is not None:
        return told
    direct = await _outcome(client, handle, options)
    async with Client(
        hints={"": server},
        transport=client.transport,
        timeout=client.timeout,
        allowed=client.allowed,
    ) as walker:
        walked = await _outcome(walker, handle, options)
    if isinstance(direct, Record) and not isinstance(walked, Record):
        return _trace_of(handle, direct, server, _NOTE_DIRECT)
    return _trace_of(handle, walked, server, _NOTE_WALKED)


async def _outcome(client: Client, handle: str, options: Options) -> Record | ResolutionError:
    try:
        return await client.resolve(handle, **options)
    except ResolutionError as error:
        return error


def _trace_of(handle: str, outcome: Record | ResolutionError, server: str, note: str = "") -> Trace:
    if isinstance(outcome, Record):
        return Trace(
            handle, "", server, "", outcome.ttl, outcome.seconds, outcome.hops, outcome, None, note
        )
    seconds = sum(hop.seconds for hop in outcome.hops)
    return Trace(handle, "", server, "", None, seconds, outcome.hops, None, outcome, note)


async def _told_by_server(
    client: Client, server: str, handle: str, options: Options
) -> Trace | None:
    """The server's own trace; None if it has no HTTP door or tells none there."""
    try:
        door = await _http_door(client, server)
    except ResolverError as error:
        _log.debug("no HTTP door of %s is known: %s", server, error)
        return None
    if door is None:
        return None
    query: list[tuple[str, object]] = [("trace", "true")]
    query += [("type", type_) for type_ in options.get("types", ())]
    query += [("index", index) for index in options.get("indexes", ())]
    if options.get("authoritative"):
        query.append(("auth", "true"))
    name = quote(handle.encode("utf-8", "surrogateescape"), safe="")
    url = f"http://{door}/api/handles/{name}?{urlencode(query)}"
    try:
        return trace_from_json(handle, json.loads(await _get(url, client.timeout)), server)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        _log.debug("%s tells no trace that can be read: %r", url, error)
        return None


async def _http_door(client: Client, server: str) -> str | None:
    """``host:port`` of the HTTP interface of the client's server."""
    host, port = parse_address(server)
    if client.transport == "http":
        return format_address(host, port)
    site = await client.get_site()
    ports = (server.port(Protocol.HTTP) for server in site.servers)
    http_port = next((number for number in ports if number), None)
    # The host that was reached, not the address in the site: that may be one behind a NAT.
    return None if http_port is None else format_address(host, http_port)


async def _get(url: str, timeout: float) -> bytes:
    """What stands at ``url``, which is escaped already.

    Raises:
        UpstreamError: nobody answers, or with too much.
    """
    # Imported here: most clients never trace, and start faster without it.
    import aiohttp
    from yarl import URL

    octets = bytearray()
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout)) as session,
            session.get(URL(url, encoded=True), allow_redirects=False) as response,
        ):
            async for chunk in response.content.iter_any():
                octets += chunk
                if len(octets) > _MAX_OCTETS:
                    raise UpstreamError(f"{url} has more than {_MAX_OCTETS} octets")
    except (aiohttp.ClientError, TimeoutError) as error:
        raise UpstreamError(f"{url} cannot be read: {error}") from None
    return bytes(octets)


def trace_from_json(handle: str, answer: Any, server: str) -> Trace:
    """The trace in a node's JSON answer.

    Raises:
        KeyError, TypeError, ValueError, JsonError: there is none, or it has another shape.
    """
    told: Mapping[str, Any] = answer["trace"]
    hops = tuple(map(_hop, told["hops"]))
    code = int(answer["responseCode"])
    cache, ttl = str(told.get("cache") or ""), _whole(told.get("ttl"))
    seconds = float(told["seconds"])
    trace = Trace(
        handle, str(told.get("server") or ""), server, cache, ttl, seconds, hops, None, None
    )
    if code == ResponseCode.SUCCESS:
        _, values = record_from_json(answer)
        authoritative = bool(hops and hops[-1].authoritative)
        return replace(
            trace,
            record=Record(handle, values, ttl or 0, code, server, authoritative, hops, seconds),
        )
    message = str(answer.get("message") or "")
    return replace(
        trace,
        error=error_for(handle, code, message, server=server, hops=hops, cache=cache, ttl=ttl),
    )


def trace_to_json(trace: Trace) -> dict[str, Any]:
    """The JSON form of the path alone, as nodes tell it, with ``note`` besides."""
    return {
        "server": trace.node or trace.server,
        "address": trace.server,
        "cache": trace.cache,
        "seconds": trace.seconds,
        "ttl": trace.ttl,
        "note": trace.note,
        "hops": [
            {
                "node": hop.node,
                "address": hop.address,
                "transport": hop.transport,
                "question": hop.question,
                "types": list(hop.types),
                "kind": hop.kind,
                "code": hop.code,
                "target": hop.target,
                "authoritative": hop.authoritative,
                "ttl": hop.ttl,
                "cached": hop.cached,
                "seconds": hop.seconds,
            }
            for hop in trace.hops
        ],
    }


def _hop(told: Mapping[str, Any]) -> Hop:
    types: Sequence[Any] = told.get("types") or ()
    return Hop(
        node=str(told.get("node") or ""),
        address=str(told["address"]),
        transport=str(told.get("transport") or ""),
        question=str(told["question"]),
        types=tuple(map(str, types)),
        kind=str(told["kind"]),
        code=int(told["code"]),
        target=str(told.get("target") or ""),
        authoritative=bool(told.get("authoritative")),
        ttl=_whole(told.get("ttl")),
        cached=bool(told.get("cached")),
        seconds=float(told["seconds"]),
    )


def _whole(number: object) -> int | None:
    return int(number) if isinstance(number, int | float) else None
