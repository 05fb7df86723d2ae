"""Records and traces as lines of plain text, for people.

Rules: nothing here prints or asks; whatever comes from a server is stripped of control characters,
as a terminal would obey them; widths are counted in columns, as Chinese takes two.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from resolver.client import Record, Trace
from resolver.model.codes import ResponseCode
from resolver.model.errors import WireError
from resolver.model.text import printable as printable
from resolver.model.value import HandleValue, TtlType
from resolver.resolution import site_label
from resolver.wire.answer import Hop
from resolver.wire.typed import decode_admin, decode_site, decode_vlist

_HEX_SHOWN: Final = 32


def record_lines(record: Record) -> list[str]:
    """The identifier, and one line for each value: index, type, data, TTL."""
    rows = [
        (str(value.index), printable(value.type), data_text(value), ttl_text(value))
        for value in record.values
    ]
    return [printable(record.handle), *indented(aligned(rows, "><<<"))]


def trace_lines(trace: Trace) -> list[str]:
    """The tree of a resolution: who resolved, then one line for each exchange."""
    last = len(trace.hops)
    values = None if trace.record is None else len(trace.record.values)
    rows = [
        (
            f"{'└─' if number == last else '├─'} {printable(hop.node or hop.address)}",
            printable(hop.question),
            hop_text(hop, values if number == last else None),
            "" if hop.ttl is None else f"TTL {hop.ttl}",
            milliseconds(hop.seconds),
        )
        for number, hop in enumerate(trace.hops, 1)
    ]
    lines = aligned(rows, "<<<<>")
    head = "   ".join(part for part in (_who(trace), _cache_state(trace)) if part)
    took = milliseconds(trace.seconds)
    padding = max(map(columns, lines), default=0) - columns(head) - columns(took)
    lines.insert(0, head + " " * max(padding, 2) + took)
    if trace.note:
        lines.append(f"({trace.note})")
    return lines


def hop_text(hop: Hop, values: int | None = None) -> str:
    """What came of one exchange, in a few words; ``values`` of the record it brought."""
    words = [hop.kind]
    if hop.kind == "referral" and hop.target:
        words = [f"referral → {printable(hop.target)}"]
    elif hop.kind == "not found":
        words = [
            "exists, no such values" if hop.code == ResponseCode.VALUES_NOT_FOUND else "not found"
        ]
    elif hop.kind not in ("answer", "referral"):
        words = [f"{hop.kind}: {printable(hop.target) or f'code {hop.code}'}"]
    if hop.kind == "answer" and values is not None:
        words.append("1 value" if values == 1 else f"{values} values")
    if hop.authoritative and hop.kind == "answer":
        words.append("authoritative")
    if hop.cached:
        words.append("cached")
    return ", ".join(words)


def data_text(value: HandleValue) -> str:
    """The data of ``value`` on one line: what it says if its type is known, else its text, else
    its octets."""
    reader = _READERS.get(value.type.upper())
    if reader is not None:
        try:
            return printable(reader(value.data))
        except WireError:
            return _octets_text(value.data)
    try:
        return printable(value.data.decode("utf-8"))
    except UnicodeDecodeError:
        return _octets_text(value.data)


def ttl_text(value: HandleValue) -> str:
    """Seconds, or ``until`` and the unix time."""
    return f"until {value.ttl}" if value.ttl_type == TtlType.ABSOLUTE else str(value.ttl)


def milliseconds(seconds: float) -> str:
    """``1.02 ms``."""
    return f"{seconds * 1000:.2f} ms"


def columns(text: str) -> int:
    """How many columns a terminal takes for ``text``."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def cut(line: str, width: int) -> str:
    """``line`` with an ellipsis where it would leave ``width`` columns."""
    if columns(line) <= width:
        return line
    kept = line[: max(0, width - 1)]
    while columns(kept) > width - 1:
        kept = kept[:-1]
    return kept + "…"


def aligned(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """``rows`` as lines, the cells padded to the left (``<``) or right (``>``) of their column."""
    widths = [max(map(columns, cells)) for cells in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = []
        for cell, width, side in zip(row, widths, sides, strict=True):
            padding = " " * (width - columns(cell))
            cells.append(padding + cell if side == ">" else cell + padding)
        lines.append("  ".join(cells).rstrip())
    return lines


def indented(lines: Iterable[str]) -> list[str]:
    """``lines`` two columns further in."""
    return [f"  {line}" for line in lines]


def _who(trace: Trace) -> str:
    return printable(" ".join(part for part in (trace.node, trace.server) if part))


def _cache_state(trace: Trace) -> str:
    """``hit, TTL 86340``: what is left of its life only matters for what lay in the cache."""
    ttl = f"TTL {trace.ttl}" if trace.ttl is not None and not trace.hops else ""
    return ", ".join(part for part in (printable(trace.cache), ttl) if part)


def _octets_text(octets: bytes) -> str:
    shown = octets[:_HEX_SHOWN].hex()
    more = "…" if len(octets) > _HEX_SHOWN else ""
    return f"({len(octets)} octets) {shown}{more}"


def _site_text(octets: bytes) -> str:
    site = decode_site(octets)
    return site_label(site) if site.servers else "(no servers)"


def _admin_text(octets: bytes) -> str:
    admin = decode_admin(octets)
    return f"{admin.index}:{admin.handle} {admin.permissions:012b}"


def _vlist_text(octets: bytes) -> str:
    return ", ".join(f"{member.index}:{member.handle}" for member in decode_vlist(octets))


_READERS: Final = {
    "HS_SITE": _site_text,
    "HS_SITE.6": _site_text,
    "HS_SITE.PREFIX": _site_text,
    "HS_ADMIN": _admin_text,
    "HS_VLIST": _vlist_text,
}
