"""Changes records at a node: one login, then requests on that connection, many under way at once.

Rules: requests are told apart by their numbers. When the connection is lost, nobody knows of the
requests under way whether they were carried out; the caller is told so (``UpstreamError``) and
decides. Logins are operation 2001 of the national system (docs/protocol.md §15).
"""

import asyncio
import time
from types import TracebackType
from typing import Final, Self

from resolver.client.address import parse_address
from resolver.client.errors import error_for
from resolver.client.keys import Key, signed_response
from resolver.model.address import format_address
from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import UpstreamError, UpstreamTimeout, WireError
from resolver.model.value import Reference
from resolver.wire.bodies import (
    Body,
    ChallengeAnswer,
    ChallengeAnswerRequest,
    ErrorAnswer,
    HandleAnswer,
    HandleRequest,
    LoginRequest,
    RecordAnswer,
    RecordRequest,
    RemoveRequest,
    ResolveRequest,
)
from resolver.wire.envelope import Envelope
from resolver.wire.message import LIFETIME_S, Message, decode_message, encode_message
from resolver.wire.proof import challenge_octets
from resolver.wire.stream import FrameReader, OversizeError
from resolver.wire.values import ValueList

REQUEST_S: Final = 30.0
_FLAGS: Final = OpFlag.RECU | OpFlag.CACR
_READ_OCTETS: Final = 1 << 18


class Registrar:
    """A logged-in connection to one node; an async context manager."""

    def __init__(
        self, server: str, user: Reference, key: Key, *, timeout: float = REQUEST_S
    ) -> None:
        """
        Args:
            server: ``HOST:PORT`` of the node that holds the records.
            user: the administrator.
            key: theirs.
            timeout: seconds for one request.
        """
        host, port = parse_address(server)
        self.server: Final = format_address(host, port)
        self.user: Final = user
        self._address: Final = (host, port)
        self._key: Final = key
        self._timeout: Final = timeout
        self._waiting: Final[dict[int, asyncio.Future[Message]]] = {}
        self._number = 0
        self._writer: asyncio.StreamWriter | None = None
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect and log in.

        Raises:
            Refused: the node does not believe it.
            UpstreamError: nobody answers there.
        """
        try:
            async with asyncio.timeout(self._timeout):
                reader, self._writer = await asyncio.open_connection(*self._address)
        except TimeoutError:
            raise UpstreamTimeout(f"{self.server} did not answer in {self._timeout:g} s") from None
        except OSError as error:
            reason = error.strerror or error
            raise UpstreamError(f"{self.server} cannot be reached: {reason}") from None
        self._listener = asyncio.get_running_loop().create_task(self._listen(reader))
        try:
            await self._log_in()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()

    async def create(
        self, handle: str, values: ValueList, *, overwrite: bool = False, mint: bool = False
    ) -> str:
        """Make the record of ``handle``; its name, which with ``mint`` only begins like it.

        Raises:
            Refused: with the node's code: 101 exists, 301 not responsible, 400 no rights…
            UpstreamError: the connection is lost.
        """
        flags = (OpFlag.OVRW if overwrite else 0) | (OpFlag.MINT if mint else 0)
        reply = await self.ask(OpCode.CREATE_HANDLE, RecordRequest(handle, values), flags)
        self._check(handle, reply)
        body = reply.body
        return body.handle or handle if isinstance(body, HandleAnswer) else handle

    async def put(self, handle: str, values: ValueList) -> None:
        """Add ``values``, in the place of those that have their indexes."""
        body = RecordRequest(handle, values)
        self._check(handle, await self.ask(OpCode.ADD_VALUE, body, OpFlag.OVRW))

    async def remove(self, handle: str, indexes: tuple[int, ...]) -> None:
        """Remove the values that have these indexes."""
        self._check(handle, await self.ask(OpCode.REMOVE_VALUE, RemoveRequest(handle, indexes)))

    async def delete(self, handle: str) -> None:
        """Delete the record."""
        self._check(handle, await self.ask(OpCode.DELETE_HANDLE, HandleRequest(handle)))

    async def get(self, handle: str) -> ValueList:
        """All values of the record, restricted ones too."""
        reply = await self.ask(OpCode.RESOLVE, ResolveRequest(handle))
        self._check(handle, reply)
        assert isinstance(reply.body, RecordAnswer)
        return reply.body.values

    async def ask(self, op_code: int, body: Body, flags: int = 0) -> Message:
        """The reply to a request, whatever its code.

        Raises:
            UpstreamError: the connection is lost, or no reply came in time.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self.send(op_code, body, flags)
        except TimeoutError:
            raise UpstreamTimeout(f"{self.server} did not answer in {self._timeout:g} s") from None

    def send(
        self, op_code: int, body: Body, flags: int = 0, *, session_id: int = 0
    ) -> asyncio.Future[Message]:
        """Send a request; its reply comes later."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        if self._writer is None or self._listener is None or self._listener.done():
            future.set_exception(UpstreamError(f"the connection to {self.server} is lost"))
            return future
        self._number += 1
        self._waiting[self._number] = future
        message = Message(
            envelope=Envelope(request_id=self._number, session_id=session_id),
            op_code=op_code,
            flags=_FLAGS | flags,
            expiration=int(time.time()) + LIFETIME_S,
            body=body,
        )
        self._writer.write(encode_message(message))
        return future

    async def _log_in(self) -> None:
        user = self.user
        asked = await self.ask(OpCode.LOGIN_KEY, LoginRequest(user.handle, user.index), OpFlag.RRDG)
        if not isinstance(asked.body, ChallengeAnswer) or asked.digest is None:
            self._check(user.handle, asked)
            raise UpstreamError(f"{self.server} takes no logins")
        challenge = challenge_octets(asked.body.nonce, asked.digest)
        response = await asyncio.to_thread(signed_response, self._key, challenge, user.handle)
        answer = ChallengeAnswerRequest(self._key.auth_type, user.handle, user.index, response)
        sent = self.send(OpCode.CHALLENGE_ANSWER, answer, session_id=asked.envelope.session_id)
        async with asyncio.timeout(self._timeout):
            self._check(f"{user.index}:{user.handle}", await sent)

    def _check(self, handle: str, reply: Message) -> None:
        if reply.response_code != ResponseCode.SUCCESS:
            text = reply.body.message if isinstance(reply.body, ErrorAnswer) else None
            raise error_for(handle, reply.response_code, text or "", server=self.server)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        frames, reason = FrameReader(), f"{self.server} closed the connection"
        try:
            while data := await reader.read(_READ_OCTETS):
                for octets in frames.feed(data):
                    reply = decode_message(octets)
                    future = self._waiting.pop(reply.envelope.request_id, None)
                    if future is not None and not future.done():
                        future.set_result(reply)
        except (OSError, WireError, OversizeError) as error:
            reason = f"{self.server}: {error}"
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(UpstreamError(reason))
            self._waiting.clear()
