"""What a network's TOML file may say: the typed model, one description per key.

Rules: a key that is not here is an error. Values are checked one by one here; how they fit together
(duplicate names, unknown parents, ports) is ``expand``'s business.
"""

import re
from ipaddress import IPv4Address, ip_address
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from resolver.topology.units import Duration, Size

DEFAULT_BASE_PORT: Final = 2600
"""All default ports are counted from here; ``base_port`` moves them together."""

_PREFIX: Final = re.compile(r"[^/.\s]+(\.[^/.\s]+)*")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _check_prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ValueError(f"{text!r} is not a prefix like 88.901")
    return text


def _check_zone(text: str) -> str:
    return text if text == "" else _check_prefix(text)


def _check_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is not a name: letters, digits, dot, underscore, hyphen")
    return text


def _check_address(text: str) -> str:
    ip_address(text)
    return text


def _check_ipv4(text: str) -> str:
    IPv4Address(text)
    return text


Prefix = Annotated[str, AfterValidator(_check_prefix)]
Zone = Annotated[str, AfterValidator(_check_zone)]
Name = Annotated[str, AfterValidator(_check_name)]
Address = Annotated[str, AfterValidator(_check_address)]
Ipv4 = Annotated[str, AfterValidator(_check_ipv4)]
Port = Annotated[int, Field(ge=0, le=65535)]
RoleName = Literal["root", "top-level", "secondary", "enterprise", "recursive"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CacheModel(_Section):
    """What a node keeps of what it resolved for others."""

    policy: str = Field("lru", description="eviction policy")
    routes: Size = Field(4 << 20, description="budget for routes: prefix → site")
    leaves: Size = Field(16 << 20, description="budget for records: identifier → values")
    ttl_cap: Duration = Field(3600.0, description="longest life of an answer, whatever its TTL")
    negative_ttl: Duration = Field(60.0, description="life of 'there is no such thing'; 0 is off")


class LimitsModel(_Section):
    """Bounds on one resolution."""

    deadline: Duration = Field(5.0, description="for the whole resolution")
    ask_timeout: Duration = Field(2.0, description="for one request to another node")
    max_asks: int = Field(16, ge=1, le=100, description="requests to other nodes")


class NetworkModel(_Section):
    """The network as a whole."""

    name: Name = Field("wuhan", description="shown in messages and metrics")
    base_port: Port = Field(
        DEFAULT_BASE_PORT, description="moves all ports together; 0 takes free ones"
    )
    bind: tuple[Address, ...] = Field(
        ("127.0.0.1", "::1"), min_length=1, description="addresses to listen on"
    )
    advertise: Ipv4 = Field("127.0.0.1", description="address in the site records of the nodes")
    samples: int = Field(100, ge=0, description="sample records per enterprise of a new store")
    nodes_per_process: int = Field(25, ge=1, description="enterprise nodes that share one process")


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
    advertise: Ipv4 | None = Field(None, description="else the network's")
    recursion: bool = Field(True, description="resolve foreign identifiers when RECU is set")
    hints: dict[Zone, Name] | None = Field(
        None, description="prefix → node to start resolutions at; else the root and the top level"
    )
    process: Name | None = Field(None, description="nodes with the same one share a process")
    samples: int | None = Field(None, ge=0, description="else the network's, for enterprises")
    cache: CacheModel | None = Field(None, description="what differs from the network's")
    limits: LimitsModel | None = Field(None, description="what differs from the network's")


class SecondaryModel(_Section):
    """A secondary node with its enterprises, in short."""

    name: Name = Field(description="unique in the network")
    title: str = Field("", description="for people")
    prefix: Prefix = Field(description="e.g. 88.901; enterprises get 88.901.1 and on")
    parent: Name | None = Field(None, description="top-level node; else the only one")
    enterprises: int = Field(0, ge=0, le=1000, description="nodes of their own")
    hosted: int = Field(0, ge=0, le=1000, description="enterprises whose records live here")
    port: Port = Field(description="UDP and TCP of the secondary node")
    http_port: Port = Field(description="its HTTP")
    enterprise_port: Port = Field(description="of the first enterprise; the others follow")
    enterprise_http_port: Port = Field(description="likewise HTTP")


class NetworkFile(_Section):
    """A network's TOML file."""

    network: NetworkModel = Field(default_factory=lambda: NetworkModel())
    cache: CacheModel = Field(default_factory=lambda: CacheModel())
    limits: LimitsModel = Field(default_factory=lambda: LimitsModel())
    node: tuple[NodeModel, ...] = Field((), description="nodes, one by one")
    secondary: tuple[SecondaryModel, ...] = Field((), description="secondary nodes, in short")
