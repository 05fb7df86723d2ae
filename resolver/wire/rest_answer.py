"""Answers as JSON: what ``/api/handles`` shows of them (docs/protocol.md §13), and their path."""

from typing import Any

from resolver.model.codes import ResponseCode
from resolver.wire.answer import Answer, Hop
from resolver.wire.bodies import ErrorAnswer, RecordAnswer, ReferralAnswer
from resolver.wire.rest import value_to_json
from resolver.wire.values import ValueList


def answer_to_json(handle: str, answer: Answer) -> dict[str, Any]:
    """An answer as the API shows it."""
    body = answer.body
    shown: dict[str, Any] = {"responseCode": int(answer.code)}
    if answer.code == ResponseCode.VALUES_NOT_FOUND:
        return {**shown, "values": [], "handle": handle}
    if isinstance(body, RecordAnswer):
        return {**shown, "handle": handle, "values": _values(body.values)}
    if isinstance(body, ReferralAnswer):
        shown["handle"] = body.handle or handle
        if body.values is not None:
            shown["values"] = _values(body.values)
        return shown
    if isinstance(body, ErrorAnswer) and body.message:
        shown["message"] = body.message
    return {**shown, "handle": handle}


def trace_to_json(server: str, answer: Answer) -> dict[str, Any]:
    """The path of an answer: which cache it came from, or who was asked."""
    return {
        "server": server,
        "cache": answer.cache,
        "seconds": answer.seconds,
        "ttl": answer.ttl,
        "hops": [_hop_to_json(hop) for hop in answer.hops],
    }


def _hop_to_json(hop: Hop) -> dict[str, Any]:
    return {
        "node": hop.node,
        "address": hop.address,
        "transport": hop.transport,
        "question": hop.question,
        "types": list(hop.types),
        "kind": hop.kind,
        "code": int(hop.code),
        "target": hop.target,
        "authoritative": hop.authoritative,
        "ttl": hop.ttl,
        "cached": hop.cached,
        "seconds": hop.seconds,
    }


def _values(values: ValueList) -> list[dict[str, Any]]:
    return [value_to_json(value) for value in values]


def reason_of(answer: Answer) -> str:
    """Why there are no values, for a person."""
    text = answer.body.message if isinstance(answer.body, ErrorAnswer) else None
    name = ResponseCode(answer.code).name.lower().replace("_", " ")
    return f"{name} ({answer.code}){': ' + text if text else ''}"
