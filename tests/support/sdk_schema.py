"""Holds JSON to the schema that Grafana's foundation SDK is generated from, as its classes tell it:
which keys there are, and what kind of value each has.

The SDK itself takes any value for a key, and leaves out keys that it does not know.
"""

import enum
import json
import sys
import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins

register_default_plugins()


def violations(kind: Any, document: dict[str, Any]) -> list[str]:
    """What is wrong with ``document``, as a ``kind`` of the SDK; nothing if it is one."""
    found = kind.from_json(document)
    again = json.loads(JSONEncoder().encode(found))
    return [*_lost(document, again, "$"), *_wrong(found, kind, "$")]


def _lost(before: Any, after: Any, where: str) -> Iterator[str]:
    """Where ``before`` has what ``after`` has not."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key not in after:
                yield f"{where}.{key}: there is no such key"
            else:
                yield from _lost(value, after[key], f"{where}.{key}")
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _lost(one, other, f"{where}[{number}]")
    elif before != after:
        yield f"{where}: {before!r} was read as {after!r}"


def _wrong(value: Any, kind: Any, where: str) -> Iterator[str]:
    """Where ``value`` is not what the annotation ``kind`` says."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if origin in (Union, types.UnionType):
        tries = [list(_wrong(value, one, where)) for one in inner]
        if all(tries):
            yield min(tries, key=len)[0]
    elif origin is Literal:
        if value not in inner:
            yield f"{where}: {value!r} is none of {inner}"
    elif origin is list:
        yield from _each(value, list, enumerate, inner[0], where)
    elif origin is dict:
        yield from _each(value, dict, dict.items, inner[1], where)
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        if value not in {member.value for member in kind} and not isinstance(value, kind):
            yield f"{where}: {value!r} is no {kind.__name__}"
    elif hasattr(kind, "from_json") or (isinstance(value, kind) and hasattr(value, "from_json")):
        # The latter: options of a kind of panel, queries of a kind of source.
        yield from _wrong_fields(value, kind, where)
    elif not _is(value, kind):
        yield f"{where}: {value!r} is no {getattr(kind, '__name__', kind)}"


def _each(value: Any, kind: type, items: Any, inner: Any, where: str) -> Iterator[str]:
    if not isinstance(value, kind):
        yield f"{where}: {value!r} is no {kind.__name__}"
        return
    for key, item in items(value):
        yield from _wrong(item, inner, f"{where}[{key!r}]")


def _wrong_fields(value: Any, kind: Any, where: str) -> Iterator[str]:
    if isinstance(value, dict):  # the SDK leaves some as they are
        value = kind.from_json(value)
    if not isinstance(value, kind):
        yield f"{where}: {value!r} is no {kind.__name__}"
        return
    names = vars(sys.modules[type(value).__module__])
    for name, annotation in get_type_hints(type(value), names).items():
        yield from _wrong(getattr(value, name), annotation, f"{where}.{name}")


def _is(value: Any, kind: Any) -> bool:
    if kind is type(None):
        return value is None
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
