"""Sizes and durations as people write them: ``64MiB``, ``1h``, ``500ms``."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator

_NUMBER: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_SIZES: Final = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DURATIONS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_size(value: object) -> int:
    """Bytes; a bare number counts bytes.

    Raises:
        ValueError: it is no size.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or found[2] not in _SIZES:
        raise ValueError(f"{value!r} is no size like 64MiB ({', '.join(filter(None, _SIZES))})")
    return int(float(found[1]) * _SIZES[found[2]])


def parse_duration(value: object) -> float:
    """Seconds; a number needs a unit, unless it is 0.

    Raises:
        ValueError: it is no duration.
    """
    if value in (0, "0"):
        return 0.0
    found = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or found[2] not in _DURATIONS:
        raise ValueError(f"{value!r} is no duration like 30s or 1h ({', '.join(_DURATIONS)})")
    return float(found[1]) * _DURATIONS[found[2]]


Size = Annotated[int, BeforeValidator(parse_size, json_schema_input_type=int | str)]
"""Bytes."""

Duration = Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=str)]
"""Seconds."""
