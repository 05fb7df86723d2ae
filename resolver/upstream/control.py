"""Calls to another node over the control plane (``resolver.transport.rpc``)."""

import asyncio
import secrets
from typing import Any, Final

from resolver.model.address import format_address
from resolver.model.errors import UpstreamError, UpstreamTimeout, WireError
from resolver.security.handshake import CALLED, CALLER, NONCE_OCTETS, proof_of, proved
from resolver.wire.rpc import Call, Result, RpcReader, encode_call

CALL_S: Final = 10.0


class CallError(UpstreamError):
    """The node understood the call and refused it; the text says why."""


class ControlPeer:
    """A connection to one node; ``open`` makes one."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, where: str
    ) -> None:
        """For this module."""
        self._reader: Final = reader
        self._writer: Final = writer
        self._where: Final = where
        self._frames: Final = RpcReader()
        self._waiting: Final[dict[int, asyncio.Future[Any]]] = {}
        self._number = 0
        self._listener: Final = asyncio.get_running_loop().create_task(self._listen())

    @classmethod
    async def open(
        cls, host: str, port: int, *, name: str, secret: bytes, timeout: float = CALL_S
    ) -> "ControlPeer":
        """Connect as ``name``; both sides have proved then that they know ``secret``.

        Raises:
            UpstreamError: nobody answers there, or not with the secret.
        """
        where = format_address(host, port)
        try:
            async with asyncio.timeout(timeout):
                reader, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            raise UpstreamTimeout(f"{where} did not answer within {timeout:g} s") from None
        except OSError as error:
            raise UpstreamError(f"{where} cannot be reached: {error.strerror or error}") from None
        peer = cls(reader, writer, where)
        try:
            await peer._introduce(name, secret, timeout)
        except UpstreamError:
            await peer.close()
            raise
        return peer

    async def call(self, method: str, *params: Any, timeout: float = CALL_S) -> Any:
        """The result of ``method``.

        Raises:
            CallError: the node refuses; the text is its reason.
            UpstreamError: the connection is gone, or no result came in time.
        """
        if self._listener.done():
            raise UpstreamError(f"the connection to {self._where} is gone")
        self._number += 1
        number, future = self._number, asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._writer.write(encode_call(Call(number, method, list(params))))
        try:
            async with asyncio.timeout(timeout):
                return await future
        except TimeoutError:
            raise UpstreamTimeout(f"{self._where} did not answer within {timeout:g} s") from None
        finally:
            del self._waiting[number]

    async def close(self) -> None:
        """Close the connection."""
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)
        self._writer.close()

    async def _introduce(self, name: str, secret: bytes, timeout: float) -> None:
        ours = secrets.token_bytes(NONCE_OCTETS)
        match await self.call("hello", name, ours, timeout=timeout):
            case [str(other), bytes(theirs), proof]:
                if proved(proof_of(secret, CALLED, other, ours, theirs), proof):
                    proof = proof_of(secret, CALLER, name, ours, theirs)
                    await self.call("prove", proof, timeout=timeout)
                    return
        raise UpstreamError(f"{self._where} belongs to another network: it has another key")

    async def _listen(self) -> None:
        reason = f"{self._where} closed the connection"
        try:
            while data := await self._reader.read(1 << 16):
                for frame in self._frames.feed(data):
                    self._hear(frame)
        except (OSError, WireError) as error:
            reason = f"{self._where}: {error}"
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(UpstreamError(reason))

    def _hear(self, frame: Call | Result) -> None:
        if not isinstance(frame, Result):
            raise WireError("a call where a result was expected")
        future = self._waiting.get(frame.number)
        if future is None or future.done():
            return  # nobody waits for it any more
        if frame.error is None:
            future.set_result(frame.value)
        else:
            future.set_exception(CallError(frame.error))
