"""The user that asks over HTTP, one GET after another on a connection kept alive.

It is Locust's FastHttpUser, and ``self.client`` is its session for whoever writes tasks of their
own. The questions of a workload go through the same library one floor below, which costs half of
what the session does. Answers are JSON: each is read and compared with the population once; the
same octets for the same identifier are known to be right from then on.
"""

import json
import time
from http.client import HTTPException
from typing import Any, ClassVar, Final

import gevent
from geventhttpclient import HTTPClient
from locust import task
from locust.contrib.fasthttp import (
    FAILURE_EXCEPTIONS,
    FastHttpUser,
    insecure_ssl_context_factory,
)
from locust.env import Environment

from bench.answers import Question, code_text
from bench.users.client import ROUND_S, Client
from resolver.model.codes import ResponseCode
from resolver.model.errors import ResolverError
from resolver.wire.rest import record_from_json

TIMEOUT_S: Final = 10.0
_RECONNECT_S: Final = 0.2
BROKEN: Final = (*FAILURE_EXCEPTIONS, HTTPException, TimeoutError)
"""What a connection that fails raises."""


class WebClient(Client, FastHttpUser):
    """What all users have in common that speak HTTP."""

    abstract = True
    secure: ClassVar[bool] = False

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.http = self._connection()

    def on_stop(self) -> None:
        """Close the connection."""
        self.http.close()

    @task
    def ask(self) -> None:
        """Ask what is due, for half a second."""
        until = time.perf_counter() + ROUND_S
        while (now := time.perf_counter()) < until:
            if self.due > now:
                gevent.sleep(min(self.due, until) - now)
                continue
            due = self.due or now
            self.next_due()
            try:
                self.arrival(due)
            except BROKEN as error:
                self.meter.failed(time.perf_counter() - due, f"connection: {error}")
                self.http.close()
                self.http = self._connection()
                gevent.sleep(_RECONNECT_S)

    def arrival(self, due: float) -> None:
        """Do what is due."""
        raise NotImplementedError

    def _connection(self) -> HTTPClient:
        """A connection that is opened when it is needed."""
        return HTTPClient(
            self.node.address,
            self.node.http_port,
            concurrency=1,
            ssl=self.secure,
            # The network's certificate is its own.
            insecure=self.secure,
            ssl_context_factory=insecure_ssl_context_factory if self.secure else None,
            connection_timeout=TIMEOUT_S,
            network_timeout=TIMEOUT_S,
        )


class HttpClient(WebClient):
    """GET of one identifier after another."""

    abstract = True
    known: ClassVar[dict[str, int]] = {}
    """Identifier → hash of octets that were found to be right."""

    def arrival(self, due: float) -> None:
        """Ask for one identifier."""
        question = next(self.questions)
        response = self.http.get(f"/api/handles/{question.handle}")
        octets = response.read()
        seconds = time.perf_counter() - due
        status = response.status_code
        if status == 200 and self.known.get(question.handle) == hash(octets):
            self.meter.latencies.append(seconds)
            self.meter.octets += len(octets)
            return
        code, trouble = checked(question, status, octets)
        if trouble:
            self.meter.failed(seconds, trouble, code)
            return
        if status == 200:
            self.known[question.handle] = hash(octets)
        self.meter.right(seconds, len(octets), code)


def checked(question: Question, status: int, octets: bytes) -> tuple[int, str]:
    """The response code of an answer in JSON, and what is wrong with it; nothing if it is right."""
    try:
        document: dict[str, Any] = json.loads(octets)
        code = int(document["responseCode"])
    except (ValueError, KeyError, TypeError):
        return 0, f"HTTP {status} without a response code"
    if code != question.code:
        return code, code_text(code)
    if code != ResponseCode.SUCCESS:
        return code, ""
    try:
        handle, values = record_from_json(document)
    except ResolverError as error:
        return code, f"a record that cannot be read: {error}"
    if handle != question.handle:
        return code, f"another identifier: {handle}"
    return code, "" if values.octets == question.values else "other values"
