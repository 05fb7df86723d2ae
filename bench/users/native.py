"""What users have in common that speak the Handle protocol over a socket.

One user has one socket and as many questions under way as its window allows. Requests are told
apart by their ids. What arrives is taken from the socket until there is nothing left, so that
gevent's loop is entered once for many answers and not once for each. A socket that fails takes
along what was under way, and is opened anew.
"""

import time
from collections.abc import Iterator
from typing import Any, ClassVar, Final

import gevent
from gevent import get_hub, getcurrent
from gevent import socket as gsocket
from locust import task

from bench.answers import BODY_AT, HEAD_AT, ID_AT, Question
from bench.target import REQUEST_HEAD
from bench.users.client import ROUND_S, Client
from resolver.model.errors import WireError

_LOOK_AGAIN_S: Final = 0.1
_RECONNECT_S: Final = 0.2
_READ: Final = 1
_ID_END: Final = ID_AT + 4
_HEAD_END: Final = HEAD_AT + 8


class Pending:
    """A question under way; times in seconds of ``time.perf_counter``."""

    __slots__ = ("due", "question", "sent", "tries")

    def __init__(self, due: float, question: Question, sent: float) -> None:
        self.due = due
        self.question = question
        self.sent = sent
        self.tries = 0


class Readiness:
    """Waits until a socket can be read, or a time has passed.

    gevent's own ``wait_read`` makes two watchers and a waiter for each call; here the watcher of
    the socket is kept.
    """

    def __init__(self, fileno: int) -> None:
        self._hub = get_hub()
        self._readable = self._hub.loop.io(fileno, _READ)

    def wait(self, seconds: float) -> None:
        """Return early for no reason at times; callers look again."""
        timer = self._hub.loop.timer(max(0.0, seconds))
        wake = getcurrent().switch
        self._readable.start(wake)
        timer.start(wake)
        try:
            self._hub.switch()
        finally:
            self._readable.stop()
            timer.stop()
            timer.close()

    def close(self) -> None:
        """Let go of the socket."""
        self._readable.close()


class NativeClient(Client):
    """What UDP and TCP have in common."""

    abstract = True
    timeout_s: ClassVar[float]

    def on_start(self) -> None:
        """Open the socket."""
        self.pending: dict[bytes, Pending] = {}
        self._id = self.number << 20
        self._look_again = 0.0
        self._socket: gsocket.socket | None = None
        super().on_start()
        self._open()

    def on_stop(self) -> None:
        """Wait for what is under way, then close."""
        try:
            until = time.perf_counter() + self.timeout_s
            while self.pending and self._socket is not None and time.perf_counter() < until:
                self._readiness.wait(_LOOK_AGAIN_S)
                self._receive()
                self._give_up(time.perf_counter())
        finally:
            self._close()

    @task
    def ask(self) -> None:
        """Ask what is due, and take what is answered, for half a second."""
        until = time.perf_counter() + ROUND_S
        while (now := time.perf_counter()) < until:
            if self._socket is None and not self._open():
                gevent.sleep(_RECONNECT_S)
                continue
            try:
                room = self.settings.window - len(self.pending)
                if room > 0 and self.due <= now:
                    self._send(self._requests(room, now))
                if self.pending:
                    wait = _LOOK_AGAIN_S
                    if len(self.pending) < self.settings.window:
                        wait = min(wait, self.due - now)
                else:
                    wait = min(self.due, until) - now
                self._readiness.wait(wait)
                self._receive()
            except (OSError, WireError) as error:
                self._lose(f"connection lost: {getattr(error, 'strerror', None) or error}")
            if now >= self._look_again:
                self._look_again = now + _LOOK_AGAIN_S
                self._give_up(now)

    def _requests(self, room: int, now: float) -> Iterator[bytes]:
        """What is due by now, at most ``room`` requests."""
        closed = not self.settings.rate
        pending, number = self.pending, self._id
        for _ in range(room):
            if self.due > now:
                break
            number = number + 1 & 0x7FFFFFFF
            key = number.to_bytes(4, "big")
            question = next(self.questions)
            pending[key] = Pending(now if closed else self.due, question, now)
            if not closed:
                self.next_due()
            yield REQUEST_HEAD + key + question.octets
        self._id = number

    def _take(self, reply: bytes) -> None:
        """Check a whole message."""
        asked = self.pending.pop(reply[ID_AT:_ID_END], None)
        if asked is None:
            return
        seconds = time.perf_counter() - asked.due
        question, meter = asked.question, self.meter
        if reply[HEAD_AT:_HEAD_END] == question.head and reply[BODY_AT:] == question.tail:
            meter.latencies.append(seconds)
            meter.octets += len(reply)
            return
        code = int.from_bytes(reply[HEAD_AT + 4 : _HEAD_END], "big")
        trouble = "" if question.is_right(reply) else question.trouble(reply)
        if trouble:
            meter.failed(seconds, trouble, code)
        else:
            meter.right(seconds, len(reply), code)

    def _lose(self, reason: str) -> None:
        """Fail what is under way, and close."""
        now = time.perf_counter()
        for asked in self.pending.values():
            self.meter.failed(now - asked.due, reason)
        self.pending.clear()
        self._close()

    def _give_up(self, now: float) -> None:
        """Fail what has waited too long."""
        for key, asked in list(self.pending.items()):
            if now - asked.sent > self.timeout_s and self.pending.pop(key, None) is not None:
                self.meter.failed(now - asked.due, f"no answer in {self.timeout_s:g} s")

    def _close(self) -> None:
        if self._socket is not None:
            self._readiness.close()
            self._socket.close()
            self._socket = None

    def _use(self, opened: gsocket.socket) -> None:
        self._socket = opened
        self._raw: Any = opened._sock  # its calls do not wait, and cost half
        self._readiness = Readiness(opened.fileno())

    def _open(self) -> bool:
        raise NotImplementedError

    def _send(self, requests: Iterator[bytes]) -> None:
        raise NotImplementedError

    def _receive(self) -> None:
        raise NotImplementedError
