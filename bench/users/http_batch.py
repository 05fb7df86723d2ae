"""The user that asks for many identifiers in one request: ``POST /api/resolve`` in MessagePack.

An arrival is a request; each identifier in it is an answer with a response code of its own, and is
checked and counted for itself. All of a request have its latency.
"""

import time
from random import Random

import msgpack

from bench.answers import Question, code_text
from bench.users.http import WebClient
from resolver.wire.batch import MSGPACK


class BatchClient(WebClient):
    """One request after another, each of a size between the two bounds of the workload."""

    abstract = True

    def on_start(self) -> None:
        """Sizes follow from the seed, too."""
        super().on_start()
        self._sizes = Random(f"{self.seed}/sizes")

    def arrival(self, due: float) -> None:
        """Ask for a batch."""
        size = self._sizes.randint(*self.settings.batch)
        asked = [next(self.questions) for _ in range(size)]
        response = self.http.request(
            "POST",
            "/api/resolve",
            body=msgpack.packb([question.handle for question in asked]),
            headers={"Content-Type": MSGPACK},
        )
        octets = response.read()
        seconds = time.perf_counter() - due
        if response.status_code != 200:
            self._fail_all(asked, seconds, f"HTTP {response.status_code}")
            return
        unpacker = msgpack.Unpacker(raw=True, max_buffer_size=0)
        unpacker.feed(octets)
        try:
            answers = list(unpacker)
        except (ValueError, msgpack.UnpackException):
            self._fail_all(asked, seconds, "an answer that is not MessagePack")
            return
        self.meter.octets += len(octets)
        for question, answer in zip(asked, answers, strict=False):
            self._check(question, answer, seconds)
        self._fail_all(asked[len(answers) :], seconds, "no answer in the batch")

    def _check(self, question: Question, answer: object, seconds: float) -> None:
        match answer:
            case [int(code), bytes(values)]:
                if code != question.code:
                    self.meter.failed(seconds, code_text(code), code)
                elif code == 1 and values != question.values:
                    self.meter.failed(seconds, "other values", code)
                else:
                    self.meter.right(seconds, 0, code)
            case _:
                self.meter.failed(seconds, "an item that is no answer")

    def _fail_all(self, asked: list[Question], seconds: float, reason: str) -> None:
        for _ in asked:
            self.meter.failed(seconds, reason)
