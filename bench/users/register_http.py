"""The user that registers identifiers over HTTPS with a password, one PUT for each record.

Over TLS, since a node takes passwords over plain HTTP only if its network was told to.
"""

import json
import time
from base64 import b64encode
from typing import Final
from urllib.parse import quote

from bench.answers import Question, code_text
from bench.users.http import WebClient, checked
from bench.users.register import Writer
from resolver.wire.rest import value_to_json
from resolver.wire.values import ValueList
from secondary_nodes.population import SECRET_KEY_INDEX

_CREATED: Final = 201


class HttpRegisterClient(Writer, WebClient):
    """A connection whose every request says who asks."""

    abstract = True
    secure = True

    def on_start(self) -> None:
        """Say who we are, as pyhandle does."""
        super().on_start()
        user = quote(f"{SECRET_KEY_INDEX}:{self.user}", safe="")
        known = b64encode(f"{user}:{self.secret}".encode()).decode()
        self._headers = {"Authorization": f"Basic {known}", "Content-Type": "application/json"}

    def arrival(self, due: float) -> None:
        """Register a batch, and look at its last record."""
        handle, values = "", ValueList.of(())
        for handle, record in self.batch():
            values = ValueList.of(record)
            body = json.dumps({"values": [value_to_json(value) for value in record]})
            path = f"/api/handles/{handle}?overwrite=false"
            response = self.http.request("PUT", path, body=body.encode(), headers=self._headers)
            octets = response.read()
            self._count(response.status_code, octets, due)
        response = self.http.get(f"/api/handles/{handle}")
        octets = response.read()
        question = Question(handle, values=values)
        code, trouble = checked(question, response.status_code, octets)
        if trouble:
            self.meter.failed(time.perf_counter() - due, f"registered, but {trouble}", code)

    def _count(self, status: int, octets: bytes, due: float) -> None:
        seconds = time.perf_counter() - due
        if status == _CREATED:
            self.meter.right(seconds, len(octets), 1)
            return
        try:
            code = int(json.loads(octets)["responseCode"])
        except (ValueError, KeyError, TypeError):
            self.meter.failed(seconds, f"HTTP {status} without a response code")
        else:
            self.meter.failed(seconds, code_text(code), code)
