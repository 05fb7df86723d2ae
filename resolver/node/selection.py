"""Which values of a record a request gets (docs/protocol.md §3, "Resolve selection")."""

from resolver.model.codes import OpFlag, ResponseCode
from resolver.node.outcome import refusal
from resolver.wire.answer import Answer
from resolver.wire.bodies import RecordAnswer, ResolveRequest
from resolver.wire.message import Message
from resolver.wire.values import ValueList

_IDSDK_SUGGESTS = (2, 10)


def wants_public_only(request: Message) -> bool:
    """Whether values without public read are to be left out instead of asked credentials for.

    PUBL says so. CAICT's ID-SDK (the client that suggests version 2.10) sends no flags at all and
    cannot answer a challenge, so it gets the public values too (docs/protocol.md §15).
    """
    return bool(request.flags & OpFlag.PUBL) or request.envelope.suggested == _IDSDK_SUGGESTS


def select(
    asked: ResolveRequest, values: ValueList, *, public_only: bool, administrator: bool = False
) -> Answer:
    """The answer to ``asked`` from the record ``values``: the selected values, or 200 when nothing
    is left, 402 or 401 when the selection has values that only administrators or nobody may read
    (an ``administrator`` may read what administrators may).
    """
    selected = values.select(asked.indexes, asked.types)
    if public_only:
        selected = selected.public()
    elif selected.restricted:
        if selected.readable_by_admin():
            if administrator:
                return Answer(
                    ResponseCode.SUCCESS, RecordAnswer(asked.handle, selected), authoritative=True
                )
            return refusal(ResponseCode.AUTHENTICATION_NEEDED)
        return refusal(ResponseCode.INSUFFICIENT_PERMISSION)
    if not len(selected):
        return refusal(ResponseCode.VALUES_NOT_FOUND)
    return Answer(ResponseCode.SUCCESS, RecordAnswer(asked.handle, selected), authoritative=True)
