"""How bodies are read and written: a reader per operation, a writer per kind of body.

Rules: a reader takes what it knows and leaves the rest, which is the message's ``tail``. A new
operation is a row in ``OPERATIONS``, and a row in ``_WRITERS`` if its body is of a new kind.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.wire.bodies import (
    Body,
    ChallengeAnswer,
    ChallengeAnswerRequest,
    EmptyBody,
    ErrorAnswer,
    HandleAnswer,
    HandleRequest,
    HandlesAnswer,
    KeyExchangeRequest,
    LoginAnswer,
    LoginRequest,
    RawBody,
    RecordAnswer,
    RecordRequest,
    ReferralAnswer,
    RemoveRequest,
    ResolveRequest,
    SessionAnswer,
    SessionSetupRequest,
    SiteAnswer,
    VerifiedAnswer,
    VerifyRequest,
)
from resolver.wire.cursor import Reader, Writer
from resolver.wire.values import ValueList

SESSION_WITH_KEY: Final = frozenset({1, 4})
SESSION_WITH_HANDLE: Final = 3


class Operation(NamedTuple):
    """How the bodies of one operation are read."""

    request: Callable[[Reader], Body]
    success: Callable[[Reader], Body]


def _resolve(reader: Reader) -> Body:
    return ResolveRequest(reader.text(), reader.numbers(), reader.texts())


def _handle(reader: Reader) -> Body:
    return HandleRequest(reader.text())


def _record(reader: Reader) -> Body:
    return RecordRequest(reader.text(), ValueList.read(reader))


def _session_setup(reader: Reader) -> Body:
    mode, timeout, identity, index = reader.u2(), reader.u4(), reader.text(), reader.i4()
    if mode in SESSION_WITH_KEY:
        return SessionSetupRequest(mode, timeout, identity, index, public_key=reader.bytes_())
    if mode == SESSION_WITH_HANDLE:
        return SessionSetupRequest(
            mode, timeout, identity, index, key_handle=reader.text(), key_index=reader.i4()
        )
    return SessionSetupRequest(mode, timeout, identity, index)


def _nothing(_: Reader) -> Body:
    return EmptyBody()


def _created(reader: Reader) -> Body:
    return HandleAnswer(reader.text() if reader.remaining else None)


def _raw(reader: Reader) -> Body:
    return RawBody(reader.rest())


_PLAIN: Final = Operation(_handle, _nothing)
_CHANGE: Final = Operation(_record, _nothing)
_LIST: Final = Operation(_handle, lambda reader: HandlesAnswer(reader.texts()))

OPERATIONS: Final[dict[int, Operation]] = {
    OpCode.RESOLVE: Operation(
        _resolve, lambda reader: RecordAnswer(reader.text(), ValueList.read(reader))
    ),
    OpCode.GET_SITE: Operation(_handle, lambda reader: SiteAnswer(reader.rest())),
    OpCode.CREATE_HANDLE: Operation(_record, _created),
    OpCode.DELETE_HANDLE: _PLAIN,
    OpCode.ADD_VALUE: _CHANGE,
    OpCode.MODIFY_VALUE: _CHANGE,
    OpCode.REMOVE_VALUE: Operation(
        lambda reader: RemoveRequest(reader.text(), reader.numbers()), _nothing
    ),
    OpCode.LIST_HANDLES: _LIST,
    OpCode.CHALLENGE_ANSWER: Operation(
        lambda reader: ChallengeAnswerRequest(
            reader.text(), reader.text(), reader.i4(), reader.bytes_()
        ),
        _nothing,
    ),
    OpCode.VERIFY_CHALLENGE: Operation(
        lambda reader: VerifyRequest(
            reader.text(), reader.i4(), reader.bytes_(), reader.bytes_(), reader.bytes_()
        ),
        lambda reader: VerifiedAnswer(reader.u1()),
    ),
    OpCode.HOME_PREFIX: _PLAIN,
    OpCode.UNHOME_PREFIX: _PLAIN,
    OpCode.LIST_HOMED: _LIST,
    OpCode.SESSION_SETUP: Operation(
        _session_setup, lambda reader: SessionAnswer(reader.u2(), reader.bytes_())
    ),
    OpCode.SESSION_TERMINATE: _PLAIN,
    OpCode.SESSION_EXCHANGE_KEY: Operation(
        lambda reader: KeyExchangeRequest(reader.bytes_()), _nothing
    ),
    OpCode.NEXT_TRANSACTION: _PLAIN,
    OpCode.RETRIEVE_TRANSACTIONS: Operation(_raw, _raw),
    OpCode.DUMP_HANDLES: Operation(_raw, _raw),
    OpCode.BACKUP_SERVER: _PLAIN,
    OpCode.LOGIN_PASSWORD: Operation(
        _resolve, lambda reader: LoginAnswer(reader.text(), reader.u4())
    ),
    OpCode.LOGIN_KEY: Operation(lambda reader: LoginRequest(reader.text(), reader.i4()), _nothing),
}

_UNKNOWN: Final = Operation(_raw, _raw)
_REFERRALS: Final = frozenset({ResponseCode.SERVICE_REFERRAL, ResponseCode.PREFIX_REFERRAL})


def read_request(op_code: int, reader: Reader, flags: int) -> Body:
    """The body of a request with header ``flags``.

    Raises:
        WireError: it is damaged.
    """
    body = OPERATIONS.get(op_code, _UNKNOWN).request(reader)
    if flags & OpFlag.RECU_AUTH and isinstance(body, ResolveRequest) and reader.remaining:
        return replace(body, auth=reader.text())
    return body


def read_reply(op_code: int, code: int, reader: Reader) -> Body:
    """The body of a reply, without the request's digest in front of it.

    Raises:
        WireError: it is damaged.
    """
    if code == ResponseCode.SUCCESS:
        return OPERATIONS.get(op_code, _UNKNOWN).success(reader)
    if code == ResponseCode.AUTHENTICATION_NEEDED:
        return ChallengeAnswer(reader.bytes_())
    if code in _REFERRALS:
        handle = reader.text()
        return ReferralAnswer(handle, ValueList.read(reader) if reader.remaining else None)
    return ErrorAnswer(reader.text() if reader.remaining else None)


def _write_resolve(writer: Writer, body: ResolveRequest) -> None:
    writer.text(body.handle).numbers(body.indexes).texts(body.types)
    if body.auth is not None:
        writer.text(body.auth)


def _write_session_setup(writer: Writer, body: SessionSetupRequest) -> None:
    writer.u2(body.mode).u4(body.timeout).text(body.identity).i4(body.index)
    if body.public_key is not None:
        writer.bytes_(body.public_key)
    if body.key_handle is not None:
        writer.text(body.key_handle).i4(body.key_index or 0)


def _write_optional_text(writer: Writer, text: str | None) -> None:
    if text is not None:
        writer.text(text)


def _write_referral(writer: Writer, body: ReferralAnswer) -> None:
    writer.text(body.handle)
    if body.values is not None:
        writer.raw(body.values.octets)


# The values of this table take the body of their key; the type system cannot say that of a dict.
_WRITERS: Final[dict[type[Body], Callable[[Writer, Any], object]]] = {
    ResolveRequest: _write_resolve,
    HandleRequest: lambda writer, body: writer.text(body.handle),
    RecordRequest: lambda writer, body: writer.text(body.handle).raw(body.values.octets),
    RemoveRequest: lambda writer, body: writer.text(body.handle).numbers(body.indexes),
    ChallengeAnswerRequest: lambda writer, body: (
        writer.text(body.auth_type).text(body.user).i4(body.user_index).bytes_(body.signed_response)
    ),
    VerifyRequest: lambda writer, body: (
        writer.text(body.user)
        .i4(body.index)
        .bytes_(body.nonce)
        .bytes_(body.digest)
        .bytes_(body.signed_response)
    ),
    SessionSetupRequest: _write_session_setup,
    KeyExchangeRequest: lambda writer, body: writer.bytes_(body.key),
    LoginRequest: lambda writer, body: writer.text(body.user).i4(body.index),
    RecordAnswer: lambda writer, body: writer.text(body.handle).raw(body.values.octets),
    SiteAnswer: lambda writer, body: writer.raw(body.octets),
    HandleAnswer: lambda writer, body: _write_optional_text(writer, body.handle),
    HandlesAnswer: lambda writer, body: writer.texts(body.handles),
    VerifiedAnswer: lambda writer, body: writer.u1(body.valid),
    SessionAnswer: lambda writer, body: writer.u2(body.mode).bytes_(body.data),
    LoginAnswer: lambda writer, body: writer.text(body.user).u4(body.number),
    ErrorAnswer: lambda writer, body: _write_optional_text(writer, body.message),
    ReferralAnswer: _write_referral,
    ChallengeAnswer: lambda writer, body: writer.bytes_(body.nonce),
    EmptyBody: lambda writer, body: None,
    RawBody: lambda writer, body: writer.raw(body.octets),
}


def encode_body(body: Body) -> bytes:
    """The octets of ``body``.

    Raises:
        WireError: a field does not fit its place.
    """
    writer = Writer()
    _WRITERS[type(body)](writer, body)
    return writer.octets()
