"""Writes docker/kubernetes: the manifests that ``wuhan config kubernetes`` prints, as YAML.

``make manifests`` runs it; tests/docker/test_manifests.py fails while the files are out of date.
"""

from pathlib import Path
from typing import Any, Final

import yaml

from resolver.cluster.kubernetes import Choices, one_pod, pod_monitor, pods_of_nodes

FOLDER: Final = Path(__file__).with_name("kubernetes")
_HEAD: Final = "# {}. Made by `make manifests`; docker/README.md says how it is used.\n"


def files() -> dict[str, str]:
    """What each file is to hold."""
    return {
        "one-pod.yaml": _text(
            "The network `wuhan`, all nodes in one pod", one_pod("wuhan", Choices(storage="8Gi"))
        ),
        "one-pod-monitor.yaml": _text(
            "Its metrics, for the Prometheus operator", [pod_monitor("wuhan", together=True)]
        ),
        "minimal.yaml": _text(
            "The network `minimal`, a pod for each node", pods_of_nodes("minimal", Choices())
        ),
        "minimal-monitor.yaml": _text(
            "Its metrics, for the Prometheus operator", [pod_monitor("minimal", together=False)]
        ),
    }


class _Dumper(yaml.SafeDumper):
    """Lists are indented, texts of several lines are blocks, nothing is an alias."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)


def _text(title: str, documents: list[dict[str, Any]]) -> str:
    parts = [
        yaml.dump(one, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
        for one in documents
    ]
    return _HEAD.format(title) + "".join(f"---\n{part}" for part in parts)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
