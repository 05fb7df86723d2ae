"""What a network's TOML file may say: the typed model, one description per key.

Rules: a key that is not here is an error. Values are checked one by one here; how they fit together
(duplicate names, unknown parents, ports) is ``expand``'s business.
"""

import re
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)

from resolver.topology.units import Duration, Size

DEFAULT_BASE_PORT: Final = 2600
"""All default ports are counted from here; ``base_port`` moves them together."""

MAX_PORT: Final = 65535

MAX_ENTERPRISES: Final = 1000
"""Of one secondary node."""

MAX_WORKERS: Final = 256
"""Processes of one node."""

MAX_PREFIX: Final = 64
"""Characters; what the field's registration interfaces allow."""

_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_NUMBERS: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HOST: Final = re.compile(
    r"(?=.{1,253}$)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*"
    r"(?=[A-Za-z0-9-]*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
"""A name in DNS; its last part is no number, as that of an address is."""

PLACEHOLDER: Final = "{node}"
"""In a host's name, stands for the node's."""


def _check_prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ValueError(f"{text!r} is not a prefix: letters and digits joined by dots, as 88.901")
    if len(text) > MAX_PREFIX:
        raise ValueError(f"{text[:20]}… is too long for a prefix: at most {MAX_PREFIX} characters")
    return text


def _check_industry_prefix(text: str) -> str:
    if not _NUMBERS.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a prefix of an industry: numbers joined by a dot, as 88.901"
        )
    return _check_prefix(text)


def _check_zone(text: str) -> str:
    return text if text == "" else _check_prefix(text)


def _check_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a name: a letter or digit, then letters, digits, dots, underscores "
            "and hyphens, at most 100"
        )
    return text


def _check_hosted(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, int) and 0 <= value <= MAX_ENTERPRISES):
        return value
    raise ValueError(f"{value!r} is neither true nor a number up to {MAX_ENTERPRISES}")


def _check_workers(value: object) -> object:
    if value == "auto" or (
        isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_WORKERS
    ):
        return value
    raise ValueError(f'{value!r} is neither "auto" nor a number from 1 to {MAX_WORKERS}')


def _check_address(text: str) -> str:
    ip_address(text)
    return text


def _check_place(text: str) -> str:
    if not _HOST.fullmatch(text.replace(PLACEHOLDER, "node")):
        try:
            IPv4Address(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is neither an IPv4 address nor the name of a host"
            ) from None
    return text


def _check_network(text: str) -> str:
    ip_network(text)
    return text


def _check_key_name(text: str) -> str:
    index, colon, handle = text.partition(":")
    if not (colon and index.isascii() and index.isdecimal() and len(index) < 10 and "/" in handle):
        raise ValueError(f"{text!r} is not a key: its index, a colon, its handle")
    return text


KeyName = Annotated[str, AfterValidator(_check_key_name)]
Prefix = Annotated[str, AfterValidator(_check_prefix)]
IndustryPrefix = Annotated[str, AfterValidator(_check_industry_prefix)]
Zone = Annotated[str, AfterValidator(_check_zone)]
Name = Annotated[str, AfterValidator(_check_name)]
Address = Annotated[str, AfterValidator(_check_address)]
Place = Annotated[str, AfterValidator(_check_place)]
Network = Annotated[str, AfterValidator(_check_network)]
Port = Annotated[StrictInt, Field(ge=0, le=MAX_PORT)]
Count = Annotated[StrictInt, Field(ge=0, le=MAX_ENTERPRISES)]
Hosted = Annotated[bool | int, BeforeValidator(_check_hosted)]
Workers = Annotated[int | Literal["auto"], BeforeValidator(_check_workers)]
Transport = Literal["tcp", "udp", "http"]
RoleName = Literal["root", "top-level", "secondary", "enterprise", "recursive"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CacheModel(_Section):
    """What a node keeps of what it resolved for others."""

    policy: str = Field(
        "sieve", description="eviction policy: `sieve`, `sieve10`, `s3fifo`, `lru` or `ttl`"
    )
    routes: Size = Field(4 << 20, description="budget for routes: prefix → site")
    leaves: Size = Field(16 << 20, description="budget for records: identifier → values")
    negatives: Size = Field(
        2 << 20, description="budget for 'there is no such thing', and as much for failures"
    )
    own: Size = Field(8 << 20, description="budget for records of the node's own asked for lately")
    bodies: Size = Field(16 << 20, description="budget for answers that are ready for HTTP")
    ttl_cap: Duration = Field(3600.0, description="longest life of an answer, whatever its TTL")
    negative_ttl: Duration = Field(60.0, description="life of 'there is no such thing'; 0 is off")
    failure_ttl: Duration = Field(
        2.0, description="life of 'it could not be found out' (RFC 9520); 0 is off"
    )
    serve_stale: Duration = Field(
        86_400.0,
        description="how long after its life an answer serves while its authority is silent "
        "(RFC 8767); 0 is off",
    )
    prefetch: StrictBool = Field(
        True, description="look for what is asked for anew in the last tenth of its life"
    )
    snapshot: StrictBool = Field(
        True, description="write down what is cached at the end, to begin with it at the next start"
    )


class LimitsModel(_Section):
    """Bounds on one resolution."""

    deadline: Duration = Field(5.0, gt=0, description="for the whole resolution")
    ask_timeout: Duration = Field(2.0, gt=0, description="for one request to another node")
    max_asks: StrictInt = Field(16, ge=1, le=100, description="requests to other nodes")
    transports: tuple[Transport, ...] = Field(
        ("tcp", "udp", "http"),
        min_length=1,
        description="how other nodes are asked: by the first that they offer and answer by",
    )
    networks: tuple[Network, ...] = Field(
        (),
        description="where others may be asked, as `10.0.0.0/8`, besides this machine and the "
        "nodes of the network",
    )


class AdmissionModel(_Section):
    """How much one client may ask, an IPv4 address or an IPv6 network of 56 bits; 0 is no limit."""

    rate: StrictInt = Field(0, ge=0, description="requests in a second")
    burst: StrictInt = Field(
        0, ge=0, description="requests at once, if they were saved up; else those of a second"
    )
    misses: StrictInt = Field(
        0, ge=0, description="questions in a second that other nodes have to be asked for"
    )
    confirm: StrictBool = Field(
        False,
        description="send answers of more than three times the request over UDP only to clients "
        "that were seen over TCP; to others their beginning, so that they ask over TCP",
    )


class QuotasModel(_Section):
    """What a node allows; 0 is no limit."""

    daily_requests: StrictInt = Field(
        0, ge=0, description="resolutions of one client address in a day (code 603)"
    )
    registrations: StrictInt = Field(0, ge=0, description="identifiers under one prefix (code 604)")
    prefixes: StrictInt = Field(0, ge=0, description="prefixes below the node (code 605)")


class ControlModel(_Section):
    """The control plane: what a node tells its parent."""

    heartbeat: Duration = Field(5.0, gt=0, description="between two reports")
    propagation_delay: Duration = Field(
        0.0, description="until the parent is told of a new prefix; a real network takes up to 1h"
    )


class NetworkModel(_Section):
    """The network as a whole."""

    name: Name = Field("wuhan", description="shown in messages and metrics")
    base_port: Port = Field(
        DEFAULT_BASE_PORT, description="moves all ports together; 0 takes free ones"
    )
    bind: tuple[Address, ...] = Field(
        ("127.0.0.1", "::1"), min_length=1, description="addresses to listen on"
    )
    advertise: Place = Field(
        "127.0.0.1",
        description="IPv4 address in the site records of the nodes, or a name that has one when "
        "they start; `{node}` in it is the node's own name, as `88-901-1`",
    )
    key: str = Field(
        "",
        description="PEM file of the RSA key that all nodes sign with; else the network makes one",
    )
    plain_passwords: StrictBool = Field(
        False, description="take passwords over plain HTTP, where others may read them"
    )
    tls_certificate: str = Field(
        "", description="PEM file of the certificate for HTTPS; else the network makes one"
    )
    tls_key: str = Field("", description="PEM file of its key")
    samples: StrictInt = Field(
        100, ge=0, description="sample records per enterprise of a new store"
    )
    nodes_per_process: StrictInt = Field(
        50, ge=1, description="enterprise nodes that share one process"
    )
    workers: Workers = Field(
        1,
        description='processes of each top-level and recursive node; "auto" for one per core',
    )
    pin: StrictBool = Field(
        False, description="keep each process of a node with several on a core of its own"
    )


class NodeModel(_Section):
    """One node."""

    name: Name = Field(description="unique in the network")
    role: RoleName = Field(description="tier of the node")
    title: str = Field("", description="for people")
    prefix: Zone = Field("", description="the prefix the node stands for; none if recursive")
    parent: Name | None = Field(None, description="node that holds the record of the prefix")
    homes: tuple[Prefix, ...] | None = Field(
        None, description="prefixes whose identifiers live here; else by role"
    )
    delegates: tuple[Zone, ...] | None = Field(
        None, description="prefixes below which the prefix records live here; else by role"
    )
    port: Port = Field(description="UDP and TCP, before base_port moves it")
    http_port: Port = Field(description="HTTP, before base_port moves it")
    bind: tuple[Address, ...] | None = Field(None, description="else the network's")
    advertise: Place | None = Field(None, description="else the network's")
    recursion: StrictBool = Field(True, description="resolve foreign identifiers when RECU is set")
    hints: dict[Zone, Name] | None = Field(
        None, description="prefix → node to start resolutions at; else the root and the top level"
    )
    process: Name | None = Field(None, description="nodes with the same one share a process")
    workers: Workers | None = Field(
        None, description="processes of the node, if it shares none; else the network's, by role"
    )
    samples: StrictInt | None = Field(
        None, ge=0, description="sample records per prefix of a new store; else the network's"
    )
    administrators: tuple[KeyName, ...] = Field(
        (), description='keys that may change every record here, as "300:88.901.1/ADMIN"'
    )
    cache: CacheModel | None = Field(None, description="what differs from the network's")
    limits: LimitsModel | None = Field(None, description="what differs from the network's")
    quotas: QuotasModel | None = Field(None, description="what differs from the network's")
    admission: AdmissionModel | None = Field(None, description="what differs from the network's")


class SecondaryModel(_Section):
    """A secondary node with its enterprises, in short."""

    name: Name = Field(description="unique in the network")
    title: str = Field("", description="for people")
    prefix: IndustryPrefix = Field(description="e.g. 88.901; enterprises get 88.901.1 and on")
    parent: Name | None = Field(None, description="top-level node; else the only one")
    enterprises: Count = Field(0, description="nodes of their own")
    hosted: Hosted = Field(
        0,
        description="so many more enterprises, the first, whose records live here; true: all of "
        "`enterprises` live here",
    )
    recursion: StrictBool = Field(
        True, description="resolve foreign identifiers when RECU is set, the enterprises too"
    )
    port: Port = Field(description="UDP and TCP of the secondary node")
    http_port: Port = Field(description="its HTTP")
    enterprise_port: Port = Field(
        0, description="of the first enterprise; the others follow; 0 takes free ones"
    )
    enterprise_http_port: Port = Field(0, description="likewise HTTP")

    @property
    def hosted_count(self) -> int:
        """Enterprises whose records live at the secondary node."""
        return self.enterprises if self.hosted is True else int(self.hosted)

    @property
    def own_count(self) -> int:
        """Enterprises with a node of their own."""
        return 0 if self.hosted is True else self.enterprises

    @model_validator(mode="after")
    def _enterprise_ports_exist(self) -> Self:
        for key in ("enterprise_port", "enterprise_http_port"):
            first: int = getattr(self, key)
            if first and first + self.own_count - 1 > MAX_PORT:
                raise ValueError(
                    f"{key}: {self.own_count} ports from {first} on go beyond {MAX_PORT}"
                )
        return self


class LogModel(_Section):
    """What the nodes log."""

    format: Literal["pretty", "json"] = Field(
        "pretty", description="lines for people, or lines of JSON for programs"
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least that is logged; `wuhan logs --level` changes it at run time"
    )
    slow: Duration = Field(
        1.0, description="a resolution that takes longer is told with its path; 0 tells of all"
    )
    access: Literal["off", "jsonl", "msgpack"] = Field(
        "off", description="form of the access logs, which `wuhan bench replay` asks again"
    )
    access_every: StrictInt = Field(1, ge=1, description="one of so many requests is in them")
    access_size: Size = Field(
        64 << 20, ge=1 << 10, description="of one file; then the next one begins"
    )
    access_keep: StrictInt = Field(4, ge=0, le=1000, description="files kept besides the latest")


class TracesModel(_Section):
    """Spans of resolutions, for a collector (docs/traces.md); needs `pip install wuhan[otel]`."""

    endpoint: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="where they are sent, OTLP over HTTP, as http://127.0.0.1:4318; empty is off",
    )
    sample: float = Field(
        1.0, ge=0, le=1, description="part of the traces that begin here that is recorded"
    )


class NetworkFile(_Section):
    """A network's TOML file."""

    network: NetworkModel = Field(default_factory=lambda: NetworkModel())
    cache: CacheModel = Field(default_factory=lambda: CacheModel())
    limits: LimitsModel = Field(default_factory=lambda: LimitsModel())
    quotas: QuotasModel = Field(default_factory=lambda: QuotasModel())
    admission: AdmissionModel = Field(default_factory=lambda: AdmissionModel())
    control: ControlModel = Field(default_factory=lambda: ControlModel())
    log: LogModel = Field(default_factory=lambda: LogModel())
    traces: TracesModel = Field(default_factory=lambda: TracesModel())
    node: tuple[NodeModel, ...] = Field((), description="nodes, one by one")
    secondary: tuple[SecondaryModel, ...] = Field((), description="secondary nodes, in short")
