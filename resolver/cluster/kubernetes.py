"""Manifests for Kubernetes, made of a network's configuration: ``wuhan config kubernetes``.

Rules: one StatefulSet, one store and one Service of its own for each node, so that nodes find each
other by names whose addresses stay; or all nodes in one pod. Pods run without rights, and without
anything to write to but their volume. What is here is data only; docker/README.md says how it is
used.
"""

from dataclasses import dataclass
from typing import Any, Final

from resolver.model.errors import ConfigError
from resolver.topology.expand import expand, label_of
from resolver.topology.load import load_network, read_source
from resolver.topology.plan import MIB, CacheSpec, NodeSpec, Topology
from resolver.topology.schema import PLACEHOLDER

IMAGE: Final = "wuhan:latest"
STORAGE: Final = "1Gi"

USER: Final = 10001
"""Of the image (docker/Dockerfile)."""

DATA: Final = "/data"
CONFIG: Final = "/etc/wuhan"
FILE: Final = "network.toml"
KEY: Final = "/run/secrets/wuhan"
KEY_FILE: Final = "network.pem"

EVERYWHERE: Final = '["0.0.0.0", "::"]'
GRACE_S: Final = 15
"""More than nodes take to finish what is under way."""

_PROCESS_MIB: Final = 96
_SHARED_POD_MIB: Final = (1024, 4096)
_TOP: Final = "top-level"

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Choices:
    """What the configuration does not say: the image, the size of a node's volume."""

    image: str = IMAGE
    storage: str = STORAGE


def pods_of_nodes(source: str, choices: Choices) -> list[Document]:
    """Manifests of a network with a pod for each node.

    Raises:
        ConfigError: the configuration is not valid, or has no place in a cluster.
    """
    network = _Network.of(source)
    environment = [
        _variable("WUHAN_CONFIG", f"{CONFIG}/{FILE}"),
        _variable("WUHAN_NETWORK_BIND", EVERYWHERE),
        _variable("WUHAN_NETWORK_ADVERTISE", f"{network.name}-{PLACEHOLDER}"),
        _variable("WUHAN_NETWORK_NODES_PER_PROCESS", "1"),
        _variable("WUHAN_NETWORK_KEY", f"{KEY}/{KEY_FILE}"),
    ]
    documents = [network.config_map(), network.headless()]
    for node in network.topology.nodes:
        name = f"{network.name}-{label_of(node.name)}"
        labels = network.labels(node.role) | {"wuhan-node": node.name}
        ports = [
            _port("handle-tcp", node.port, "TCP"),
            _port("handle-udp", node.port, "UDP"),
            _port("http", node.http_port, "TCP"),
        ]
        container: Document = {
            "args": ["node", "run"],
            "env": [_variable("WUHAN_NODE", node.name), *environment],
            "ports": [{"name": p["name"], "containerPort": p["port"], "protocol": p["protocol"]}
                      for p in ports],
            "startupProbe": _get("http", every=1, failures=60),
            "readinessProbe": _get("http", every=5, failures=2),
            "livenessProbe": _get("http", every=10, failures=6),
            "resources": _resources(_PROCESS_MIB, _memory_of(node.cache)),
        }  # fmt: skip
        documents.append(network.service(name, labels, ports))
        documents.append(network.stateful_set(name, labels, container, choices, with_key=True))
    documents.append(network.policy())
    return documents


def one_pod(source: str, choices: Choices) -> list[Document]:
    """Manifests of a network with all nodes in one pod.

    Raises:
        ConfigError: the configuration is not valid, or has no place in a cluster.
    """
    network = _Network.of(source)
    front = network.front()
    ports = []
    for node in network.topology.nodes:
        if node.role != "enterprise":
            label = label_of(node.name)
            ports += [
                _port(f"{label}-tcp", node.port, "TCP"),
                _port(f"{label}-udp", node.port, "UDP"),
                _port(f"{label}-http", node.http_port, "TCP"),
            ]
    container: Document = {
        "args": ["up"],
        "env": [
            _variable("WUHAN_CONFIG", f"{CONFIG}/{FILE}"),
            _variable("WUHAN_NETWORK_BIND", EVERYWHERE),
            {
                "name": "WUHAN_NETWORK_ADVERTISE",
                "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}},
            },
        ],
        "ports": [{"name": "http", "containerPort": front.http_port, "protocol": "TCP"}],
        "startupProbe": {
            "exec": {"command": ["wuhan", "health"]},
            "periodSeconds": 2,
            "timeoutSeconds": 10,
            "failureThreshold": 60,
        },
        "readinessProbe": _get("http", every=5, failures=2),
        "livenessProbe": _get("http", every=10, failures=6),
        "resources": _resources(*_SHARED_POD_MIB),
    }
    labels = network.labels("network")
    return [
        network.config_map(),
        network.headless(),
        network.service(network.name, labels, ports),
        network.stateful_set(network.name, labels, container, choices, with_key=False),
        network.policy(),
    ]


def pod_monitor(source: str, *, together: bool) -> Document:
    """What the Prometheus operator has to know, apart from the rest: clusters without the operator
    do not know the kind.

    Args:
        together: all nodes are in one pod, whose front tells of them.
    """
    network = _Network.of(source)
    endpoint: Document = {
        "port": "http",
        "path": "/metrics/network" if together else "/metrics",
        "interval": "5s",
        "scrapeTimeout": "3s",
        "honorLabels": True,
        "relabelings": [{"targetLabel": "network", "replacement": network.name}],
    }
    if not together:
        endpoint["relabelings"] += [
            {"sourceLabels": [f"__meta_kubernetes_pod_label_{label}"], "targetLabel": target}
            for label, target in (
                ("wuhan_node", "node"),
                ("app_kubernetes_io_component", "role"),
                ("wuhan_node", "process"),
            )
        ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": network.metadata(network.name),
        "spec": {
            # Our rules look at jobs whose name begins with wuhan.
            "jobLabel": "app.kubernetes.io/name",
            "selector": {"matchLabels": network.labels()},
            "podMetricsEndpoints": [endpoint],
        },
    }


@dataclass(frozen=True, slots=True)
class _Network:
    """What all manifests of one network share."""

    name: str
    topology: Topology
    text: str

    @classmethod
    def of(cls, source: str) -> "_Network":
        topology = expand(load_network(source, environ={}))
        name = label_of(topology.name)
        names = [label_of(node.name) for node in topology.nodes]
        if not name[:1].isalpha() or len(name) > 20:
            raise ConfigError(
                f"{source}: {topology.name!r} cannot name a network in a cluster: a letter, then "
                "letters, digits and hyphens, at most 20"
            )
        for label in names:
            if names.count(label) > 1:
                raise ConfigError(f"{source}: two nodes would be called {name}-{label}")
            if len(label) > 40:
                raise ConfigError(f"{source}: {label} is too long a name in a cluster: 40 at most")
        if not all(node.port and node.http_port for node in topology.nodes):
            raise ConfigError(f"{source}: in a cluster, every node has ports that are known")
        return cls(name, topology, read_source(source).decode())

    def front(self) -> NodeSpec:
        """The node that tells of all others."""
        for node in self.topology.nodes:
            if node.role == _TOP:
                return node
        raise ConfigError(f"the network {self.topology.name} has no {_TOP} node")

    def labels(self, role: str = "") -> dict[str, str]:
        """Of all objects; with ``role``, of one tier."""
        own = {"app.kubernetes.io/component": role} if role else {}
        return {"app.kubernetes.io/name": "wuhan", "app.kubernetes.io/instance": self.name, **own}

    def metadata(self, name: str, role: str = "") -> Document:
        return {"name": name, "labels": self.labels(role)}

    def config_map(self) -> Document:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": self.metadata(f"{self.name}-config"),
            "data": {FILE: self.text},
        }

    def headless(self) -> Document:
        """The Service that gives pods names of their own."""
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(f"{self.name}-pods"),
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": True,
                "selector": self.labels(),
            },
        }

    def service(self, name: str, labels: dict[str, str], ports: list[Document]) -> Document:
        """A Service with an address that stays."""
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "labels": labels},
            "spec": {"type": "ClusterIP", "selector": labels, "ports": ports},
        }

    def stateful_set(
        self,
        name: str,
        labels: dict[str, str],
        container: Document,
        choices: Choices,
        *,
        with_key: bool,
    ) -> Document:
        mounts = [
            {"name": "data", "mountPath": DATA},
            {"name": "config", "mountPath": CONFIG, "readOnly": True},
        ]
        volumes: list[Document] = [
            {"name": "config", "configMap": {"name": f"{self.name}-config"}},
        ]
        if with_key:
            mounts.append({"name": "key", "mountPath": KEY, "readOnly": True})
            secret = {"secretName": f"{self.name}-key", "defaultMode": 0o440}
            volumes.append({"name": "key", "secret": secret})
        return {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "serviceName": f"{self.name}-pods",
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "automountServiceAccountToken": False,
                        # Else each Service sets variables, which could look like settings of ours.
                        "enableServiceLinks": False,
                        "terminationGracePeriodSeconds": GRACE_S,
                        "securityContext": {
                            "runAsNonRoot": True,
                            "runAsUser": USER,
                            "runAsGroup": USER,
                            "fsGroup": USER,
                            "fsGroupChangePolicy": "OnRootMismatch",
                            "seccompProfile": {"type": "RuntimeDefault"},
                        },
                        "containers": [
                            {
                                "name": "wuhan",
                                "image": choices.image,
                                **container,
                                "securityContext": {
                                    "allowPrivilegeEscalation": False,
                                    "readOnlyRootFilesystem": True,
                                    "capabilities": {"drop": ["ALL"]},
                                },
                                "volumeMounts": mounts,
                            }
                        ],
                        "volumes": volumes,
                    },
                },
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": "data"},
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "resources": {"requests": {"storage": choices.storage}},
                        },
                    }
                ],
            },
        }

    def policy(self) -> Document:
        """Nodes are asked at their ports, and ask DNS and each other."""
        ports = sorted({port for n in self.topology.nodes for port in (n.port, n.http_port)})
        spans: list[list[int]] = []
        for port in ports:
            if spans and port == spans[-1][1] + 1:
                spans[-1][1] = port
            else:
                spans.append([port, port])
        allowed = [
            {"protocol": protocol, "port": first, **({"endPort": last} if last > first else {})}
            for first, last in spans
            for protocol in ("TCP", "UDP")
        ]
        dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
        own = {"podSelector": {"matchLabels": self.labels()}}
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": self.metadata(self.name),
            "spec": {
                "podSelector": {"matchLabels": self.labels()},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"ports": allowed}],
                "egress": [{"ports": dns}, {"to": [own]}],
            },
        }


def _variable(name: str, value: str) -> Document:
    return {"name": name, "value": value}


def _port(name: str, port: int, protocol: str) -> Document:
    return {"name": name, "port": port, "protocol": protocol, "targetPort": port}


def _get(port: str, *, every: int, failures: int) -> Document:
    return {
        "httpGet": {"path": "/health", "port": port},
        "periodSeconds": every,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _resources(request_mib: int, limit_mib: int) -> Document:
    return {
        "requests": {"cpu": "50m", "memory": f"{request_mib}Mi"},
        "limits": {"memory": f"{limit_mib}Mi"},
    }


def _memory_of(cache: CacheSpec) -> int:
    """MiB that a node may take: its caches when they are full, and itself twice."""
    budgets = (
        cache.routes_bytes
        + cache.leaves_bytes
        + 2 * cache.negatives_bytes
        + cache.own_bytes
        + cache.bodies_bytes
    )
    return 2 * _PROCESS_MIB + -(-budgets * 5 // 4 // MIB)
