"""The user that registers identifiers over the Handle protocol, authenticated.

It logs in at an enterprise node as the enterprise's sample administrator; then each arrival is a
batch of new records on that connection, all sent at once, as an enterprise's own system registers a
production batch. Every acknowledgement is checked (what is acknowledged is on disk), and of every
batch one record is resolved and compared with what was sent.

Names carry the second in which the user began: a network keeps what earlier runs registered.
"""

import time
from collections.abc import Iterator
from random import Random
from typing import Final

import gevent
from gevent import socket
from locust import task

from bench.answers import code_text
from bench.users.client import ROUND_S, Client
from resolver.model.codes import OpCode, OpFlag, ResponseCode
from resolver.model.errors import WireError
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue
from resolver.wire.bodies import Body, RecordAnswer, RecordRequest, ResolveRequest
from resolver.wire.envelope import Envelope
from resolver.wire.message import LIFETIME_S, Message, decode_message, encode_message
from resolver.wire.stream import FrameReader
from resolver.wire.typed import encode_admin
from resolver.wire.values import ValueList
from secondary_nodes.population import SECRET_KEY_INDEX

TIMEOUT_S: Final = 30.0
_READ_OCTETS: Final = 1 << 18
_RECONNECT_S: Final = 0.5
_FLAGS: Final = OpFlag.RECU | OpFlag.CACR


class Writer(Client):
    """What all users have in common that register: names, values, who they are."""

    abstract = True

    def on_start(self) -> None:
        """Choose names that nobody has registered."""
        super().on_start()
        self.prefix = self.node.prefix
        self.user = f"{self.prefix}/ADMIN"
        self.secret = f"SAMPLE-NOT-SECRET-{self.prefix}"
        self._sizes = Random(f"{self.seed}/sizes")
        self._stem = f"{self.prefix}/load-{int(time.time()):x}-{self.settings.name}-{self.number}"
        self._registered = 0
        self._admin = encode_admin(AdminRecord(AdminRight.ALL, self.user, SECRET_KEY_INDEX))

    def batch(self) -> Iterator[tuple[str, list[HandleValue]]]:
        """The records of the next batch."""
        for _ in range(self._sizes.randint(*self.settings.batch)):
            self._registered += 1
            handle = f"{self._stem}-{self._registered:06d}"
            stamp = int(time.time())
            yield (
                handle,
                [
                    HandleValue(1, "URL", f"https://id.example/{handle}".encode(), timestamp=stamp),
                    HandleValue(100, "HS_ADMIN", self._admin, timestamp=stamp),
                ],
            )


class RegisterClient(Writer):
    """A connection that is logged in."""

    abstract = True

    def on_start(self) -> None:
        """Connect when the first batch is due."""
        super().on_start()
        self._socket: socket.socket | None = None
        self._frames = FrameReader()
        self._id = 0

    def on_stop(self) -> None:
        """Close the connection."""
        self._close()

    @task
    def register(self) -> None:
        """Register what is due, for half a second."""
        until = time.perf_counter() + ROUND_S
        while (now := time.perf_counter()) < until:
            if self.due > now:
                gevent.sleep(min(self.due, until) - now)
                continue
            due = self.due or now
            self.next_due()
            try:
                self._arrival(due)
            except (OSError, WireError) as error:
                reason = f"connection: {getattr(error, 'strerror', None) or error}"
                self.meter.failed(time.perf_counter() - due, reason)
                self._close()
                gevent.sleep(_RECONNECT_S)

    def _arrival(self, due: float) -> None:
        if self._socket is None:
            self._log_in()
        records = [(handle, ValueList.of(values)) for handle, values in self.batch()]
        sent = dict(
            self._message(OpCode.CREATE_HANDLE, RecordRequest(handle, values))
            for handle, values in records
        )
        for reply in self._replies(sent):
            self._count(reply, due)
        handle, values = records[-1]
        (reply,) = self._replies(dict([self._message(OpCode.RESOLVE, ResolveRequest(handle))]))
        if reply.response_code != ResponseCode.SUCCESS or not isinstance(reply.body, RecordAnswer):
            self.meter.failed(
                time.perf_counter() - due,
                f"registered, but {code_text(reply.response_code, reply.body)}",
                reply.response_code,
            )
        elif reply.body.values.stamped(0) != values.stamped(0):
            self.meter.failed(time.perf_counter() - due, "registered with other values", 1)

    def _count(self, reply: Message, due: float) -> None:
        seconds = time.perf_counter() - due
        if reply.response_code == ResponseCode.SUCCESS:
            self.meter.right(seconds, reply.envelope.length, reply.response_code)
        else:
            reason = code_text(reply.response_code, reply.body)
            self.meter.failed(seconds, reason, reply.response_code)

    def _log_in(self) -> None:
        """Connect, and log in with the password (operation 2000).

        Raises:
            OSError: nobody answers, or does not believe it.
        """
        address = (self.node.address, self.node.port)
        self._socket = socket.create_connection(address, TIMEOUT_S)
        self._frames = FrameReader()
        body = ResolveRequest(self.user, (SECRET_KEY_INDEX,), (self.secret,))
        (reply,) = self._replies(dict([self._message(OpCode.LOGIN_PASSWORD, body)]))
        if reply.response_code != ResponseCode.SUCCESS:
            raise ConnectionError(0, f"login: {code_text(reply.response_code, reply.body)}")

    def _message(self, operation: int, body: Body) -> tuple[int, bytes]:
        self._id += 1
        envelope = Envelope(request_id=self._id)
        expiration = int(time.time()) + LIFETIME_S
        message = Message(envelope, operation, flags=_FLAGS, expiration=expiration, body=body)
        return self._id, encode_message(message)

    def _replies(self, requests: dict[int, bytes]) -> Iterator[Message]:
        """Send requests, and give the replies as they come.

        Raises:
            OSError: the connection is lost before all have come.
        """
        assert self._socket is not None
        missing = set(requests)
        self._socket.sendall(b"".join(requests.values()))
        while missing:
            octets = self._socket.recv(_READ_OCTETS)
            if not octets:
                raise ConnectionResetError(0, "the node closed the connection")
            for whole in self._frames.feed(octets):
                reply = decode_message(whole)
                if reply.envelope.request_id in missing:
                    missing.discard(reply.envelope.request_id)
                    yield reply

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
