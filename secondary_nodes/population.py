"""Sample records: what a new network holds before anyone registers anything.

Rules: the same prefix and seed give the same octets on every machine and Python (of ``Random`` only
``random()`` is used, whose sequence is guaranteed; times are constants). Records come one by one,
made when asked for. An ordinary product record fits one UDP datagram.

Record layout after the field's enterprise software: attribute values from index 2000, the
template they follow at 1000, the administrator at 100.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from random import Random
from typing import Final, TypeVar

from resolver.model.handle import prefix_handle
from resolver.model.site import AdminRecord, AdminRight, Site
from resolver.model.value import HandleValue, Permission, Reference
from resolver.wire.typed import encode_admin, encode_site, encode_vlist
from resolver.wire.values import ValueList
from secondary_nodes.industries import Industry
from secondary_nodes.roster import MARK, industry_of

DEFAULT_COUNT: Final = 100
"""Product records per enterprise."""

SAMPLE_TIME: Final = 1_704_067_200
"""Timestamp of every sample value: 2024-01-01T00:00:00Z."""

SITE_INDEX: Final = 1
DELEGATION_INDEX: Final = 2
DESC_INDEX: Final = 3
ADMIN_INDEX: Final = 100
GROUP_INDEX: Final = 200
SECRET_KEY_INDEX: Final = 301
TEMPLATE_INDEX: Final = 1000
ATTRIBUTE_INDEX: Final = 2000

_SECRET: Final = Permission.ADMIN_READ | Permission.ADMIN_WRITE
_BATCHES: Final = tuple(
    (date(2023, 1, 1) + timedelta(days=day)).strftime("%Y%m%d") for day in range(365)
)
_REPORT_PARTS: Final = 20
_REPORT_LINES: Final = 33

Record = tuple[str, ValueList]
T = TypeVar("T")


def sample_records(
    prefix: str, count: int = DEFAULT_COUNT, *, seed: str = "wuhan"
) -> Iterator[Record]:
    """The records of the enterprise ``prefix``: first ``count`` products, ``<prefix>/000001`` and
    on, then the special ones.

    The special ones are ``ADMIN`` (who may change the rest), ``META_PRODUCT`` (the template),
    ``LATEST`` (an alias), ``KIT`` (with references), ``REPORT`` (20 kB) and a name in Chinese.
    With ``count`` 0 only the first two are made.
    """
    industry = industry_of(prefix)
    random = Random(f"{seed}/{prefix}")
    admin = _admin(f"{prefix}/ADMIN", SECRET_KEY_INDEX)
    for number in range(1, count + 1):
        handle = f"{prefix}/{number:06d}"
        yield handle, _product(prefix, handle, industry, random, admin)
    yield f"{prefix}/ADMIN", _administrator(prefix)
    yield f"{prefix}/META_PRODUCT", _template(prefix, industry, admin)
    if count:
        yield from _specials(prefix, count, industry, admin)


def prefix_records(
    prefix: str,
    sites: Sequence[Site],
    *,
    title: str = "",
    delegates: bool = False,
    timestamp: int = SAMPLE_TIME,
) -> ValueList:
    """The record ``0.NA/<prefix>``, which lives at the parent of ``prefix``.

    Index 1 HS_SITE, where the identifiers of ``prefix`` are; 2 HS_SITE.PREFIX, where the records of
    the prefixes below are, if the child ``delegates``; 3 DESC; 100 HS_ADMIN, the group at 200;
    200 HS_VLIST, that is ``<prefix>/ADMIN``. Further sites follow from index 11 on, in pairs.

    Args:
        sites: of the node that serves ``prefix``; the first is the primary one.
        title: what the prefix stands for, for a person.
        timestamp: unix seconds, of every value.
    """
    values = []
    for number, site in enumerate(sites):
        octets = encode_site(site)
        values.append(_value(SITE_INDEX + 10 * number, "HS_SITE", octets, timestamp))
        if delegates:
            index = DELEGATION_INDEX + 10 * number
            values.append(_value(index, "HS_SITE.PREFIX", octets, timestamp))
    description = f"{title} · {MARK}" if title else MARK
    group = encode_vlist((Reference(f"{prefix}/ADMIN", SECRET_KEY_INDEX),))
    values += [
        _value(DESC_INDEX, "DESC", description.encode(), timestamp),
        _admin(prefix_handle(prefix), GROUP_INDEX, timestamp),
        _value(GROUP_INDEX, "HS_VLIST", group, timestamp),
    ]
    return ValueList.of(sorted(values, key=lambda value: value.index))


def _value(index: int, type_: str, data: bytes, timestamp: int = SAMPLE_TIME) -> HandleValue:
    return HandleValue(index, type_, data, timestamp=timestamp)


def _admin(handle: str, index: int, timestamp: int = SAMPLE_TIME) -> HandleValue:
    record = AdminRecord(AdminRight.ALL, handle, index)
    return _value(ADMIN_INDEX, "HS_ADMIN", encode_admin(record), timestamp)


def _product(
    prefix: str, handle: str, industry: Industry, random: Random, admin: HandleValue
) -> ValueList:
    name, stem = _pick(industry.products, random)
    (first, firsts), (second, seconds) = industry.attributes
    model = f"{stem}-{int(random.random() * 900) + 100}"
    batch = f"{_pick(_BATCHES, random)}-{int(random.random() * 12) + 1:02d}"
    return ValueList.of(
        (
            _value(1, "URL", f"https://id.example/{handle}".encode()),
            _value(2, "DESC", f"{name}（示例，虚构）".encode()),
            admin,
            _value(TEMPLATE_INDEX, "TEMPLATE_ID", f"{prefix}/META_PRODUCT".encode()),
            _value(ATTRIBUTE_INDEX, "model", model.encode()),
            _value(ATTRIBUTE_INDEX + 1, "batch", batch.encode()),
            _value(ATTRIBUTE_INDEX + 2, first, _pick(firsts, random).encode()),
            _value(ATTRIBUTE_INDEX + 3, second, _pick(seconds, random).encode()),
        )
    )


def _pick(choices: Sequence[T], random: Random) -> T:
    return choices[int(random.random() * len(choices))]


def _administrator(prefix: str) -> ValueList:
    """Who may change the records of ``prefix``; its key is sample data, known to everyone."""
    key = f"SAMPLE-NOT-SECRET-{prefix}".encode()
    return ValueList.of(
        (
            _value(2, "DESC", f"{prefix} 的管理员 · {MARK}".encode()),
            _admin(f"{prefix}/ADMIN", SECRET_KEY_INDEX),
            HandleValue(
                SECRET_KEY_INDEX,
                "HS_SECKEY",
                key,
                timestamp=SAMPLE_TIME,
                permissions=_SECRET,
            ),
        )
    )


def _template(prefix: str, industry: Industry, admin: HandleValue) -> ValueList:
    """The metadata template that the products of ``prefix`` follow."""
    names = ("model", "batch", *(name for name, _ in industry.attributes))
    items = [
        {"idIndex": ATTRIBUTE_INDEX + number, "englishName": name, "dataType": 1, "required": 1}
        for number, name in enumerate(names)
    ]
    template = {
        "metaHandle": f"{prefix}/META_PRODUCT",
        "metaName": f"{industry.chinese}产品",
        "classifyCode": industry.classification,
        "items": items,
    }
    text = json.dumps(template, ensure_ascii=False, separators=(",", ":"))
    return ValueList.of(
        (
            _value(2, "DESC", f"{industry.chinese}产品模板 · {MARK}".encode()),
            admin,
            _value(TEMPLATE_INDEX, "TEMPLATE", text.encode()),
        )
    )


def _specials(prefix: str, count: int, industry: Industry, admin: HandleValue) -> Iterator[Record]:
    first, last = f"{prefix}/{1:06d}", f"{prefix}/{count:06d}"
    name = industry.products[0][0]
    yield f"{prefix}/LATEST", ValueList.of((_value(1, "HS_ALIAS", last.encode()), admin))
    kit = HandleValue(
        ATTRIBUTE_INDEX,
        "parts",
        "两件".encode(),
        timestamp=SAMPLE_TIME,
        references=(Reference(first, 1), Reference(last, 1)),
    )
    desc = f"{name}套件（示例，虚构）".encode()
    yield f"{prefix}/KIT", ValueList.of((_value(2, "DESC", desc), admin, kit))
    yield f"{prefix}/REPORT", ValueList.of((*_report(last, industry), admin))
    desc = f"{name}样品，名称含中文（示例，虚构）".encode()
    yield f"{prefix}/{name}-样品", ValueList.of((_value(2, "DESC", desc), admin))


def _report(subject: str, industry: Industry) -> Iterator[HandleValue]:
    """Values of about 1 kB each: a quality report, too long for one datagram."""
    for part in range(1, _REPORT_PARTS + 1):
        lines = [f"{subject} {industry.process}报告 第{part}部分（示例，虚构）"]
        lines += [
            f"{line:02d} 测点{part * 7 + line * 3:03d} 合格 {part * line % 97 + 1}.{line:02d}"
            for line in range(1, _REPORT_LINES + 1)
        ]
        yield _value(part, "report", "\n".join(lines).encode())
