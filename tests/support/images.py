"""What docker/Dockerfile and docker/compose.yaml say of containers."""

import json
import os
import shlex
import subprocess
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOUSE = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host in a container."""

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True)
class Image:
    """What a stage of docker/Dockerfile says about containers, with what it stands on."""

    environment: dict[str, str]
    entrypoint: list[str]
    command: list[str]
    health: list[str]
    user: int
    folder: str
    volumes: list[str]
    signal: str
    labels: dict[str, str]
    copied: tuple[Mount, ...] = ()


def instructions(file: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile: (KEYWORD, the rest), lines joined."""
    lines = [
        line for line in file.read_text(encoding="utf-8").splitlines() if line[:1] not in ("#", "")
    ]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined]


def image_of(file: Path, target: str = "") -> Image:
    """The image that a stage becomes; by default the last one."""
    stages: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    name = ""
    for keyword, rest in instructions(file):
        if keyword == "FROM":
            source, _, name = rest.partition(" AS ")
            stages[name] = (source, [])
        else:
            stages[name][1].append((keyword, rest))
    told: list[tuple[str, str]] = []
    stage = target or name
    while stage in stages:
        stage, own = stages[stage]
        told = own + told
    last = dict(told)
    environment = {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"}
    labels: dict[str, str] = {}
    for keyword, rest in told:
        into = {"ENV": environment, "LABEL": labels}.get(keyword)
        for pair in shlex.split(rest) if into is not None else ():
            key, _, value = pair.partition("=")
            into[key] = value.replace("$PATH", environment["PATH"])
    options, _, health = last.get("HEALTHCHECK", "").partition("CMD ")
    return Image(
        environment,
        json.loads(last["ENTRYPOINT"]),
        json.loads(last.get("CMD", "[]")),
        json.loads(health or "[]"),
        int(last["USER"].split(":")[0]),
        last["WORKDIR"],
        [rest for keyword, rest in told if keyword == "VOLUME"],
        last["STOPSIGNAL"],
        {**labels, "healthcheck": options},
        tuple(
            Mount(HOUSE / rest.split()[0], rest.split()[1])
            for keyword, rest in told
            if keyword == "COPY" and not rest.startswith("--from")
        ),
    )


def compose(*arguments: str, environ: Mapping[str, str] | None = None) -> Any:
    """What ``docker compose config`` makes of docker/compose.yaml."""
    done = subprocess.run(
        [
            str(Path(sysconfig.get_path("scripts"), "docker-compose")),
            "--file", str(HOUSE / "docker" / "compose.yaml"), "--profile", "*",
            "config", "--format", "json", *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **(environ or {})},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
