"""The life of a prefix below a node that delegates: somebody applies for it, an operator approves
or rejects (the registration duties of a secondary node).

Rules: applications are documents of the node's store; what an approval makes is made in one
transaction. The record of an approved prefix holds its route (HS_SITE: the applicant's node, or
ours if we host it), and the administrator's key with the group that may create identifiers under
it. The store is written here, so everything that decides is called on a thread of its own.
"""

import re
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Final, Protocol

import msgpack

from resolver.model.address import format_address
from resolver.model.codes import OpCode
from resolver.model.errors import RefusedError, WireError
from resolver.model.handle import NA, described_prefix, fold, prefix_handle
from resolver.model.site import AdminRecord, AdminRight, Site
from resolver.model.value import HandleValue, Permission, Reference
from resolver.registry.homing import HERE, HOMES, Residence
from resolver.resolution.routing import SITE_TYPES, sites_in
from resolver.storage.base import Change, Document
from resolver.wire.typed import (
    decode_public_key,
    decode_site,
    encode_admin,
    encode_site,
    encode_vlist,
)
from resolver.wire.values import ValueList

MAX_PREFIX: Final = 64
"""Characters; what the field's registration interfaces allow."""

MAX_TITLE: Final = 200
MAX_WAITING: Final = 10_000
"""Applications that nobody has decided on."""

KEY_INDEXES: Final = {"HS_PUBKEY": 300, "HS_SECKEY": 301}
"""Where the administrator's key stands in the record of the prefix."""

_KIND: Final = "applications"
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_SITE, _DESC, _ADMIN, _GROUP = 1, 3, 100, 200


class Stage(StrEnum):
    """How far a prefix has come."""

    PENDING = "pending"
    REJECTED = "rejected"
    HOSTED = "hosted"
    DELEGATED = "delegated"


@dataclass(frozen=True, slots=True)
class Application:
    """Somebody wants a prefix.

    Attributes:
        title: who that is, for people.
        key_type: HS_PUBKEY or HS_SECKEY.
        key: the administrator's, as it stands in a value of that type.
        site: HS_SITE of the applicant's node; empty if the node that approves shall host it.
        stage: PENDING or REJECTED; an approved one is gone, its prefix is there.
        applied_at, decided_at: unix seconds.
        reason: of a rejection.
    """

    prefix: str
    title: str
    key_type: str
    key: bytes
    site: bytes = b""
    stage: str = Stage.PENDING
    applied_at: int = 0
    decided_at: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PrefixRow:
    """One prefix, as an operator sees it; ``address`` is of the node that holds its identifiers."""

    prefix: str
    stage: str
    title: str = ""
    address: str = ""
    applied_at: int = 0
    reason: str = ""


class Delegator(Residence, Protocol):
    """A node that has prefixes below it."""

    @property
    def site(self) -> Site:
        """The node's own."""

    def holds_prefix_record(self, prefix: str) -> bool:
        """Whether the record of ``prefix`` (folded) would live here."""


def applied(node: Delegator, application: Application, unix_now: int) -> None:
    """Take an application; one that was rejected is replaced.

    Raises:
        RefusedError: it cannot be approved anyhow.
        StoreError: it cannot be written.
    """
    _check(node, application)
    known = _all(node)
    waiting = known.get(fold(application.prefix))
    if waiting is not None and waiting.stage == Stage.PENDING:
        raise RefusedError(f"somebody has applied for {application.prefix} already")
    if len(known) >= MAX_WAITING:
        raise RefusedError("too many applications wait; decide on some first")
    _write(node, replace(application, stage=Stage.PENDING, applied_at=unix_now))


def approved(node: Delegator, prefix: str, operator: str, unix_now: int) -> PrefixRow:
    """Make the prefix that was applied for.

    Raises:
        RefusedError: nobody has applied, or it cannot be made any more.
        StoreError: it cannot be written.
    """
    application = _waiting(node, prefix)
    _check(node, application)
    handle = prefix_handle(application.prefix)
    values = _record_of(node, application, unix_now)
    change = Change(handle, None, values, OpCode.CREATE_HANDLE, operator)
    documents: list[Document] = [(_KIND, fold(prefix), None)]
    if not application.site:
        documents.append((HOMES, fold(prefix), HERE))
    (made,) = node.store.apply([change], unix_now, documents)
    if not made:
        raise RefusedError(f"{application.prefix} has been registered meanwhile")
    node.quotas.count(change)
    if not application.site:
        node.adopt(application.prefix, True)
    return _row(node, application.prefix, values)


def rejected(node: Delegator, prefix: str, reason: str, unix_now: int) -> None:
    """Turn an application down.

    Raises:
        RefusedError: nobody has applied.
        StoreError: it cannot be written.
    """
    application = _waiting(node, prefix)
    _write(
        node,
        replace(application, stage=Stage.REJECTED, decided_at=unix_now, reason=reason[:MAX_TITLE]),
    )


def prefixes(node: Delegator) -> list[PrefixRow]:
    """All prefixes below the node and the applications for more, in order."""
    rows = []
    for handle, values in node.store.records(NA):
        prefix = described_prefix(handle)
        if node.holds_prefix_record(fold(prefix)):
            rows.append(_row(node, prefix, values))
    rows += (
        PrefixRow(each.prefix, each.stage, each.title, "", each.applied_at, each.reason)
        for each in _all(node).values()
    )
    return sorted(rows, key=lambda row: _in_order(row.prefix))


def application_from(document: object) -> Application:
    """The application in what came over the control plane.

    Raises:
        RefusedError: it is none.
    """
    match document:
        case {
            "prefix": str(prefix),
            "title": str(title),
            "key_type": str(key_type),
            "key": bytes(key),
            "site": bytes(site),
        }:
            return Application(prefix, title, key_type, key, site)
    raise RefusedError("an application has a prefix, a title, a key and its type, and a site")


def _check(node: Delegator, application: Application) -> None:
    """Raise RefusedError unless the application could be approved now."""
    prefix = application.prefix
    folded = fold(prefix)
    if not _PREFIX.fullmatch(prefix) or len(prefix) > MAX_PREFIX:
        raise RefusedError(
            f"{prefix[:80]!r} is not a prefix: letters and digits joined by dots, as 88.901.7, at"
            f" most {MAX_PREFIX}"
        )
    if not node.holds_prefix_record(folded) or node.delegated(prefix_handle(prefix)):
        raise RefusedError(f"{prefix} is not below a prefix that this node delegates")
    if node.store.get(prefix_handle(prefix)) is not None:
        raise RefusedError(f"{prefix} is registered already")
    no_room = node.quotas.refusal(prefix_handle(prefix))
    if no_room is not None:
        raise RefusedError(no_room.reason)
    if len(application.title) > MAX_TITLE:
        raise RefusedError(f"the title has more than {MAX_TITLE} characters")
    _check_key(application)
    if application.site:
        _site_of(application)


def _check_key(application: Application) -> None:
    if application.key_type not in KEY_INDEXES:
        raise RefusedError(f"{application.key_type!r} is no type of key: HS_PUBKEY or HS_SECKEY")
    if not application.key:
        raise RefusedError("the key is empty")
    if application.key_type == "HS_PUBKEY":
        try:
            decode_public_key(application.key)
        except WireError as error:
            raise RefusedError(f"the public key cannot be read: {error}") from None


def _site_of(application: Application) -> Site:
    try:
        site = decode_site(application.site)
    except WireError as error:
        raise RefusedError(f"the site cannot be read: {error}") from None
    if not site.servers:
        raise RefusedError("the site has no server")
    return site


def _record_of(node: Delegator, application: Application, unix_now: int) -> ValueList:
    handle = prefix_handle(application.prefix)
    index = KEY_INDEXES[application.key_type]
    secret = Permission.ADMIN_READ | Permission.ADMIN_WRITE
    permissions = secret if application.key_type == "HS_SECKEY" else Permission.DEFAULT
    group = encode_vlist((Reference(handle, index),))
    admin = AdminRecord(AdminRight.ALL, handle, _GROUP)
    title = application.title or application.prefix
    values = [
        HandleValue(_SITE, "HS_SITE", application.site or encode_site(node.site)),
        HandleValue(_DESC, "DESC", title.encode("utf-8", "surrogateescape")),
        HandleValue(_ADMIN, "HS_ADMIN", encode_admin(admin)),
        HandleValue(_GROUP, "HS_VLIST", group),
        HandleValue(index, application.key_type, application.key, permissions=permissions),
    ]
    return ValueList.of(values).stamped(unix_now)


def _row(node: Delegator, prefix: str, values: ValueList) -> PrefixRow:
    public = values.public()
    title = next((value.text for value in public.of_type("DESC")), "")
    if fold(prefix) in node.homes:
        return PrefixRow(prefix, Stage.HOSTED, title, _address(node.site))
    sites = sites_in(public, SITE_TYPES)
    return PrefixRow(prefix, Stage.DELEGATED, title, _address(sites[0]) if sites else "")


def _address(site: Site) -> str:
    server = site.servers[0]
    port = server.interfaces[0].port if server.interfaces else 0
    return format_address(str(server.address), port)


def _waiting(node: Delegator, prefix: str) -> Application:
    application = _all(node).get(fold(prefix))
    if application is None or application.stage != Stage.PENDING:
        raise RefusedError(f"nobody waits for {prefix}; see: wuhan prefix list")
    return application


def _all(node: Delegator) -> dict[str, Application]:
    documents = node.store.documents(_KIND)
    return {key: Application(**msgpack.unpackb(document)) for key, document in documents.items()}


def _write(node: Delegator, application: Application) -> None:
    document: Any = msgpack.packb(asdict(application))
    node.store.put_documents(_KIND, {fold(application.prefix): document})


def _in_order(prefix: str) -> list[tuple[int, str]]:
    """88.901.9 before 88.901.10."""
    return [(int(part), "") if part.isdecimal() else (1 << 62, part) for part in prefix.split(".")]
