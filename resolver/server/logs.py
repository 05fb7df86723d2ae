"""How what is logged looks: a line for people, or a line of JSON for programs.

Rules: one line for each event, whatever is in it. A JSON line has ``time``, ``level``, ``logger``
and ``message``, the fields that the event was logged with, and the traceback if there is one.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from resolver.model.errors import RefusedError

PRETTY: Final = "pretty"
JSON: Final = "json"
LEVELS: Final = ("debug", "info", "warning", "error")
FIELDS: Final = "fields"
"""The attribute of a record that has its fields."""


class JsonFormatter(logging.Formatter):
    """Records as JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of ``record``."""
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False, default=str)


def set_up(form: str, level: str, stream: TextIO) -> None:
    """Log to ``stream`` from now on, in one of both forms."""
    handler = logging.StreamHandler(stream)
    if form == JSON:
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def set_level(level: object) -> str:
    """Log what is of ``level`` or worse; what it was before.

    Raises:
        RefusedError: there is no such level.
    """
    if level not in LEVELS:
        raise RefusedError(f"{level!r} is no level: {', '.join(LEVELS)}")
    root = logging.getLogger()
    before = logging.getLevelName(root.level).lower()
    root.setLevel(str(level).upper())
    return before
