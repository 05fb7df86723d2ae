"""What HTTP caches are told about the answer to a GET of a record (RFC 9110 §8.8.3, RFC 9111).

Rules: public values may be kept as long as their TTL, the node's cap and what is left of them in
its cache allow; the next node, a proxy or a browser may then answer instead. What somebody got
because of who they are is nobody else's, and whoever asks past the caches (``auth``, ``trace``,
``publicOnly=false``) asks past those too. Answers without values say nothing, as they always did.
"""

from hashlib import blake2b
from typing import Final

from aiohttp import web

from resolver.model.codes import OpFlag, ResponseCode
from resolver.transport.door import Service
from resolver.wire.answer import Answer, Client
from resolver.wire.bodies import RecordAnswer
from resolver.wire.message import Message
from resolver.wire.values import ValueList

_NO_STORE: Final = {"Cache-Control": "no-store"}
_FORM: Final = b"json 1"
"""Another, whenever the same values come to another text."""

_TAG_OCTETS: Final = 12
_ANY: Final = "*"


def caching_headers(
    service: Service, client: Client, message: Message, answer: Answer
) -> dict[str, str]:
    """What the answer to ``message`` says about being kept."""
    asked_past_caches = message.flags & OpFlag.AUTH or not message.flags & OpFlag.PUBL
    if client.connection is not None or client.trace or asked_past_caches:
        return _NO_STORE
    if answer.code != ResponseCode.SUCCESS or not isinstance(answer.body, RecordAnswer):
        return {}
    return {
        "Vary": "Authorization",
        "Cache-Control": f"max-age={service.keeps(answer)}",
        "ETag": f'"{tag_of(answer.body.values)}"',
    }


def tag_of(values: ValueList) -> str:
    """Stands for the text that ``values`` come to in the answer to one URL."""
    return blake2b(values.octets, digest_size=_TAG_OCTETS, person=_FORM).hexdigest()


def is_known(request: web.Request, answer: Answer) -> bool:
    """Whether the client says that it has this answer already (``If-None-Match``)."""
    known = request.if_none_match
    if not known or not isinstance(answer.body, RecordAnswer):
        return False
    tag = tag_of(answer.body.values)
    return any(etag.value in (tag, _ANY) for etag in known)
