"""The recorded traffic in tests/vectors, taken apart: exchanges, and the messages in them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from resolver.model.errors import WireError
from resolver.wire.envelope import ENVELOPE_OCTETS, decode_envelope
from resolver.wire.fragments import Reassembler

VECTORS = Path(__file__).parent.parent / "vectors"
MESSAGE_FILES = (
    "handle_net_java_client",
    "handle_net_raw_edge_cases",
    "idsdk_keepalive",
    "idsdk_vs_cnri",
)


@dataclass(frozen=True)
class Exchange:
    """One recorded exchange; requests and replies are whole messages, reassembled.

    ``request_parts`` is what the client really wrote, datagram by datagram.
    """

    file: str
    name: str
    transport: str
    port: int
    requests: tuple[bytes, ...]
    replies: tuple[bytes, ...]
    request_parts: tuple[bytes, ...]
    notes: str

    @property
    def id(self) -> str:
        return f"{self.file}:{self.name}"


@cache
def exchanges() -> tuple[Exchange, ...]:
    """All exchanges of handle messages, the tunnelled ones too."""
    return tuple(
        _exchange(file, json.loads(line))
        for file in MESSAGE_FILES
        for line in (VECTORS / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
        if line.strip()
    )


def http_exchanges() -> list[dict[str, Any]]:
    """The exchanges of the REST API, as recorded."""
    text = (VECTORS / "http_rest.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _exchange(file: str, line: dict[str, Any]) -> Exchange:
    tunnelled = "http_tunnel" in line["name"]
    transport = "http" if tunnelled else line["transport"]
    parts = {side: _octets(line[f"{side}_hex"]) for side in ("request", "response")}
    messages = {side: tuple(_messages(octets, transport)) for side, octets in parts.items()}
    return Exchange(
        file=file,
        name=line["name"],
        transport=transport,
        port=line["port"],
        requests=messages["request"],
        replies=messages["response"],
        request_parts=tuple(parts["request"]),
        notes=line.get("notes") or "",
    )


def _octets(recorded: str | list[str]) -> list[bytes]:
    texts = [recorded] if isinstance(recorded, str) else recorded
    return [bytes.fromhex(text) for text in texts if text]


def _messages(parts: list[bytes], transport: str) -> Iterator[bytes]:
    if transport == "udp":
        yield from _reassembled(parts)
        return
    for part in parts:
        octets = part.partition(b"\r\n\r\n")[2] if transport == "http" else part
        while len(octets) >= ENVELOPE_OCTETS:
            end = ENVELOPE_OCTETS + decode_envelope(octets).length
            yield octets[:end]
            octets = octets[end:]


def _reassembled(datagrams: list[bytes]) -> Iterator[bytes]:
    reassembler = Reassembler()
    for datagram in datagrams:
        try:
            message = reassembler.feed(datagram, "peer", 0.0)
        except WireError:
            message = datagram
        if message is not None:
            yield message
