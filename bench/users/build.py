"""Locust's user classes for a workload and a running network."""

from collections.abc import Mapping
from typing import Final

from bench.answers import Population
from bench.target import Target
from bench.users.client import Client, numbers
from bench.users.http import HttpClient
from bench.users.http_batch import BatchClient
from bench.users.register import RegisterClient
from bench.users.register_http import HttpRegisterClient
from bench.users.tcp import TcpClient
from bench.users.udp import UdpClient
from bench.workloads.model import Workload
from resolver.model.address import format_address

KINDS: Final[Mapping[str, type[Client]]] = {
    "udp": UdpClient,
    "tcp": TcpClient,
    "http": HttpClient,
    "batch": BatchClient,
    "register": RegisterClient,
    "register-http": HttpRegisterClient,
}
"""The class behind each transport of a workload's clients."""


def user_classes(workload: Workload, target: Target) -> dict[str, type[Client]]:
    """A class for each client of the workload, by its name.

    Locust spreads users over them in proportion to how many of each the workload has.

    Raises:
        NetworkStateError: the network lacks what a client asks for.
    """
    population = Population(target.items(workload.population.items), target.ports())
    made: dict[str, type[Client]] = {}
    for settings in workload.client:
        node = target.node_for(settings, 0)
        name = class_name(settings.name)
        made[name] = type(
            name,
            (KINDS[settings.transport],),
            {
                "__doc__": f"{settings.name}: {settings.transport} at {settings.server} nodes",
                "__module__": __name__,
                "abstract": False,
                "weight": settings.count,
                "host": f"http://{format_address(node.address, node.http_port)}",
                "workload": workload,
                "settings": settings,
                "target": target,
                "population": population,
                "numbers": numbers(),
            },
        )
    population.make(target.prefixes)
    return made


def class_name(client: str) -> str:
    """``industry-platform`` → ``IndustryPlatform``."""
    return "".join(part.capitalize() for part in client.split("-"))
