"""Faults as they happen, and the alerts that each of them has to set off.

Rules: a drill is a context manager; within it the fault is there, and what it yields is called
again and again until the alerts have fired. Drills of one round do not disturb each other.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from resolver.client.keys import Secret
from resolver.client.registrar import Registrar
from resolver.model.codes import OpCode
from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue, Reference
from resolver.wire.bodies import RecordRequest
from resolver.wire.typed import encode_admin
from resolver.wire.values import ValueList
from tests.support.command import node_of, stopped, wuhan
from tests.support.monitoring import Load

WORKS, SMALL = "88.901.1", "88.901.2"
"""Two enterprises; the disk of the second may be small."""

SMALL_DISK = "16m"
DELAY = "400ms"

_NUMBERS = count()

_ON_SMALL_DISK = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"'


@dataclass(frozen=True)
class Scene:
    """What drills work upon: the data folder of a network, and who asks its recursive node."""

    data: Path
    load: Load


Again = Callable[[], object]
Drill = Callable[[Scene], AbstractContextManager[Again]]
Alert = tuple[str, str]
"""Its name, and the upstream, child, node, process or role that it is about."""


def on_small_disk(data: Path) -> list[str]:
    """What to put before a command, so that the store of ``SMALL`` is on a file system of
    ``SMALL_DISK`` for it and its children; empty if that is not allowed here.

    The file system is in a mount namespace, and gone with the last process in it.
    """
    place = data / "nodes" / SMALL
    place.mkdir(parents=True, exist_ok=True)
    unshare = ["unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",))]
    prefix = [*unshare, "sh", "-ec", _ON_SMALL_DISK, "sh", SMALL_DISK, str(place)]
    is_possible = (
        shutil.which("unshare") is not None
        and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    )
    return prefix if is_possible else []


def _nothing() -> None:
    """The fault lasts by itself."""


def _done(*arguments: str, data: Path) -> None:
    done = wuhan(*arguments, data=data)
    assert done.returncode == 0, done.stderr


@contextmanager
def _fault(scene: Scene, node: str, what: str) -> Iterator[None]:
    _done("fault", "add", node, what, data=scene.data)
    try:
        yield
    finally:
        _done("fault", "clear", node, data=scene.data)


def register(node: dict[str, Any]) -> int:
    """Create a record at an enterprise's node; the response code."""
    prefix = str(node["name"])
    admin = Reference(f"{prefix}/ADMIN", 301)

    async def create() -> int:
        rights = encode_admin(AdminRecord(AdminRight.ALL, admin.handle, admin.index))
        values = [
            HandleValue(1, "URL", b"https://id.example/"),
            HandleValue(100, "HS_ADMIN", rights),
        ]
        secret = Secret(f"SAMPLE-NOT-SECRET-{prefix}".encode())
        body = RecordRequest(f"{prefix}/drill-{next(_NUMBERS)}", ValueList.of(values))
        async with Registrar(f"127.0.0.1:{node['port']}", admin, secret) as registrar:
            return (await registrar.ask(OpCode.CREATE_HANDLE, body)).response_code

    return asyncio.run(create())


@contextmanager
def killed(scene: Scene) -> Iterator[Again]:
    """The process of a node is killed; the supervisor starts it again."""
    os.kill(node_of(scene.data, "optics")["pid"], signal.SIGKILL)
    yield _nothing


@contextmanager
def held_up(scene: Scene) -> Iterator[Again]:
    """A process gets no processor for a fifth of a second, time and again."""
    pid = node_of(scene.data, "root")["pid"]

    def again() -> None:
        with stopped(pid):
            time.sleep(0.2)

    yield again


@contextmanager
def new_names(scene: Scene) -> Iterator[Again]:
    """Clients ask for names that nobody has asked for."""
    scene.load.cold = True
    try:
        yield _nothing
    finally:
        scene.load.cold = False


@contextmanager
def slow_disk(scene: Scene) -> Iterator[Again]:
    """A disk is slow, and records are registered."""
    node = node_of(scene.data, WORKS)
    with _fault(scene, WORKS, f"disk={DELAY}"):
        yield lambda: register(node)


@contextmanager
def full_disk(scene: Scene) -> Iterator[Again]:
    """Somebody fills the disk that a store is on, and records are registered."""
    node = node_of(scene.data, SMALL)
    # The node's own view of the file system: nobody else has it mounted.
    filler = Path(f"/proc/{node['pid']}/root{scene.data.resolve()}/nodes/{SMALL}/filler")
    disk = os.statvfs(filler.parent)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize)
    try:
        yield lambda: register(node)
    finally:
        filler.unlink()


@contextmanager
def hanging(scene: Scene) -> Iterator[Again]:
    """A node hangs, and clients ask for what only it knows."""
    pid = node_of(scene.data, WORKS)["pid"]
    with new_names(scene), stopped(pid):
        yield _nothing


@contextmanager
def deaf_parent(scene: Scene) -> Iterator[Again]:
    """A secondary node registers a prefix while its parent hangs."""
    key = scene.data / "drill.secret"
    key.write_text("SAMPLE-NOT-SECRET-drill", encoding="utf-8")
    pid = node_of(scene.data, "wuhan")["pid"]
    wanted = "88.901.70"
    _done("prefix", "apply", wanted, "--key", str(key), "--hosted", data=scene.data)
    with stopped(pid):
        _done("prefix", "approve", wanted, data=scene.data)
        yield _nothing


@contextmanager
def slow_node(scene: Scene) -> Iterator[Again]:
    """All answers of the recursive node come late."""
    with _fault(scene, "recursive", f"delay={DELAY}"):
        yield _nothing


ROUNDS: tuple[dict[Drill, set[Alert]], ...] = (
    {
        killed: {("WuhanProcessRestarted", "optics")},
        held_up: {("WuhanEventLoopLate", "root")},
        new_names: {("WuhanHitRatioDrop", "recursive")},
        slow_disk: {("WuhanFsyncSlow", WORKS)},
        full_disk: {("WuhanDiskNearlyFull", SMALL), ("WuhanWritesFail", SMALL)},
    },
    {
        hanging: {
            ("WuhanNodeDown", WORKS),
            ("WuhanUpstreamBreakerOpen", WORKS),
            ("WuhanChildSilent", WORKS),
            ("WuhanErrorBudgetBurn", "recursive"),
        },
    },
    {
        deaf_parent: {("WuhanRoutesNotTold", "optics")},
        slow_node: {("WuhanSlowAnswers", "recursive")},
    },
)
"""Drills that go together, and what they set off; a load test that is slower than the plan
(WuhanTargetBehindPlan) comes before them."""
