"""Writes the generated parts of docs/network.md: the default network's ports, and every setting.

``make docs`` runs it; tests/test_network_doc.py fails while the page is out of date.
"""

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import NodeSpec
from resolver.topology.schema import NetworkFile
from resolver.topology.units import parse_duration, parse_size

PAGE: Final = Path(__file__).with_name("network.md")
_MARK: Final = "<!-- {} of generated part: {} -->"
_SIZES: Final = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_DURATIONS: Final = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_PLAIN: Final[dict[object, str]] = {str: "text", int: "number", bool: "true or false"}


def ports(preset: str) -> str:
    """The nodes of a preset with their ports; the enterprises of a secondary node in one row."""
    nodes = expand(load_network(preset, environ={})).nodes
    rows = [("node", "role", "prefix", "UDP and TCP", "HTTP")]
    for node in nodes:
        if node.role == "enterprise":
            continue
        rows.append(_row([node]))
        own = [child for child in nodes if child.parent == node.name]
        enterprises = [child for child in own if child.role == "enterprise"]
        if enterprises:
            rows.append(_row(enterprises))
    return _table(rows)


def settings() -> str:
    """Every key of a network file, section by section."""
    parts = []
    for section, field in NetworkFile.model_fields.items():
        many = typing.get_origin(field.annotation) is tuple
        model = typing.get_args(field.annotation)[0] if many else field.annotation
        title = f"[[{section}]]" if many else f"[{section}]"
        rows = [("key", "what it is", "form", "default")]
        rows += [
            (f"`{key}`", one.description or "", _form(one), _default(one))
            for key, one in model.model_fields.items()
        ]
        parts.append(f"### `{title}`\n\n{model.__doc__}\n\n{_table(rows)}")
    return "\n\n".join(parts)


def page(text: str) -> str:
    """``text`` of the page with its generated parts made anew."""
    for name, content in (
        ("ports of wuhan", ports("wuhan")),
        ("ports of minimal", ports("minimal")),
        ("settings", settings()),
    ):
        start, end = _MARK.format("start", name), _MARK.format("end", name)
        pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
        text = pattern.sub(lambda _, new=f"{start}\n\n{content}\n\n{end}": new, text)
    return text


def _row(nodes: list[NodeSpec]) -> tuple[str, ...]:
    first, last = nodes[0], nodes[-1]
    return (
        _span(first.name, last.name),
        first.role,
        _span(first.prefix, last.prefix),
        _span(str(first.port), str(last.port)),
        _span(str(first.http_port), str(last.http_port)),
    )


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first} … {last}"


def _form(field: FieldInfo) -> str:
    readers = {getattr(mark, "func", None) for mark in field.metadata}
    if parse_size in readers:
        return "size, `64MiB`"
    if parse_duration in readers:
        return "duration, `30s`"
    return " or ".join(_names(field.annotation))


def _names(kind: Any) -> Iterator[str]:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in _PLAIN:
        yield _PLAIN[kind]
    elif origin is typing.Literal:
        yield ", ".join(f"`{choice}`" for choice in inner)
    elif origin is tuple:
        yield "list"
    elif origin is typing.Annotated:
        yield from _names(inner[0])
    elif origin is dict or (isinstance(kind, type) and issubclass(kind, BaseModel)):
        yield "table"
    else:
        yield from (name for one in inner if one is not type(None) for name in _names(one))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value in ("", ()):
        return "–"
    readers = {getattr(mark, "func", None) for mark in field.metadata}
    if parse_size in readers:
        return _with_unit(value, _SIZES)
    if parse_duration in readers:
        return _with_unit(value, _DURATIONS)
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _with_unit(value: float, units: tuple[tuple[str, int], ...]) -> str:
    for unit, factor in units:
        if value and value % factor == 0:
            return f"`{int(value // factor)}{unit}`"
    return f"`{value:g}`"


def _table(rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
