"""Containers without an engine: processes in namespaces of their own, with what an image, a compose
file or a manifest says about them.

Each has its own network behind one bridge, its own process ids (what it runs is process 1), a root
file system that is read-only and holds only the system's programs, Python and this checkout, the
user and environment of the image, and no rights. What is not so: images are not built, and the
addresses of names stand in /etc/hosts instead of DNS.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.command import until
from tests.support.images import HOUSE, Mount

INSTALLED = "/opt/wuhan"
"""Where the image has what is here in the environment of the tests."""

_TOOLS = ("ip", "unshare", "nsenter", "setpriv", "mount", "chroot")
_WAIT = "echo; exec sleep infinity"
_GETTER = """
import json, sys, urllib.error, urllib.request
for line in sys.stdin:
    try:
        with urllib.request.urlopen(line.strip(), timeout=3) as answer:
            told = answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        told = error.code, str(error)
        error.close()
    except OSError as error:
        told = 0, str(error)
    print(json.dumps(told), flush=True)
"""


def why_not() -> str:
    """Why there can be no namespaces here; empty if there can."""
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} missing; Debian's packages are iproute2 and util-linux"
    if os.geteuid() != 0:
        return "only root can make the namespaces that stand for containers"
    made = subprocess.run(
        [
            "unshare", "--net", "--mount", "--pid", "--fork",
            "sh", "-c", "ip link add type veth && mount -t tmpfs tmpfs /tmp",
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    return f"no namespaces can be made here: {made.stderr.strip()}" if made.returncode else ""


@dataclass(frozen=True)
class Spec:
    """What a container is to be."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    user: int
    mounts: Sequence[Mount] = ()
    tmpfs: Sequence[str] = ()
    folder: str = "/"


class Engine:
    """Runs containers on one bridge, as long as its context lasts."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._holders: list[subprocess.Popen[str]] = []
        self._bridge = self._hold()
        self.containers: list[Container] = []
        self.hosts: dict[str, str] = {}
        self.inside(
            self._bridge,
            "ip link add br0 type bridge && ip addr add 10.88.0.1/24 dev br0 "
            "&& ip link set br0 up && ip link set lo up",
        )

        # One process for all requests, as starting one for each would take longer than asking.
        self._getter = subprocess.Popen(
            [
                "nsenter", "--target", str(self._bridge), "--net",
                sys.executable, "-c", _GETTER,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def name(self, *names: str) -> None:
        """Give containers to come their addresses, so that all know of all."""
        for name in names:
            self.hosts[name] = f"10.88.0.{len(self.hosts) + 2}"

    def run(self, spec: Spec) -> "Container":
        """Start a container; it has the address of its name."""
        holder = self._hold()
        link = f"v{len(self._holders)}"
        self.inside(
            self._bridge,
            f"ip link add {link} type veth peer name eth0 netns {holder} "
            f"&& ip link set {link} master br0 up",
        )
        self.inside(
            holder,
            f"ip addr add {self.hosts[spec.name]}/24 dev eth0 && ip link set eth0 up "
            "&& ip link set lo up",
        )
        container = Container(spec, holder, self._files_of(spec))
        self.containers.append(container)
        return container

    def get(self, url: str) -> tuple[int, str]:
        """What the host gets from a container over HTTP: status 0 if nothing."""
        assert self._getter.stdin is not None
        assert self._getter.stdout is not None
        self._getter.stdin.write(f"{url}\n")
        self._getter.stdin.flush()
        status, text = json.loads(self._getter.stdout.readline())
        return status, text

    def close(self) -> None:
        """End everything."""
        for container in self.containers:
            container.kill()
        for holder in (self._getter, *self._holders):
            holder.kill()
            holder.communicate()

    def inside(self, pid: int, command: str) -> str:
        """Run a shell's command in the network of ``pid``; what it printed."""
        done = subprocess.run(
            ["nsenter", "--target", str(pid), "--net", "sh", "-c", command],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _hold(self) -> int:
        """A process that keeps a network namespace."""
        holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", _WAIT], stdout=subprocess.PIPE, text=True
        )
        self._holders.append(holder)
        assert holder.stdout is not None
        holder.stdout.readline()
        return holder.pid

    def _files_of(self, spec: Spec) -> Path:
        """What the container's /etc holds, and the mount point of its root."""
        place = self._scratch / spec.name
        etc = place / "etc"
        etc.mkdir(parents=True)
        (place / "root").mkdir()
        hosts = {"localhost": "127.0.0.1", **self.hosts}
        (etc / "hosts").write_text("".join(f"{at} {name}\n" for name, at in hosts.items()))
        (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
        (etc / "passwd").write_text(f"wuhan:x:{spec.user}:{spec.user}::/nonexistent:/bin/sh\n")
        (etc / "group").write_text(f"wuhan:x:{spec.user}:\n")
        for name in ("ld.so.cache", "localtime"):
            if Path("/etc", name).exists():
                shutil.copy(Path("/etc", name), etc / name)
        return place


@contextmanager
def engine(scratch: Path) -> Iterator[Engine]:
    """An engine, and an end to all of its containers."""
    running = Engine(scratch)
    try:
        yield running
    finally:
        running.close()


@dataclass
class Container:
    """A container that runs, or has ended."""

    spec: Spec
    holder: int
    place: Path
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        self._output = self.place / "output"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    "nsenter", "--target", str(self.holder), "--net",
                    "unshare", "--mount", "--pid", "--fork",
                    "sh", "-euc", self._script(),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        until(self._has_begun)

    def output(self) -> str:
        """What it has said."""
        return self._output.read_text(encoding="utf-8")

    def pid(self) -> int:
        """Of its process 1, as the host sees it; 0 before it is there."""
        try:
            children = psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return 0
        return children[0].pid if children else 0

    def execute(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in it, as an engine runs health checks."""
        return subprocess.run(
            [
                "nsenter", "--target", str(self.pid()), "--all", "--root", "--wd",
                *self._confined({**self.spec.environment, **(environment or {})}), *command,
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )  # fmt: skip

    def wait(self, seconds: float = 30) -> int:
        """Its exit status, when it has ended."""
        return self.process.wait(seconds)

    def stop(self, number: int, seconds: float) -> int:
        """Ask process 1 to end; its exit status, which has to come in time."""
        self.send(number)
        return self.wait(seconds)

    def send(self, number: int) -> None:
        """Send process 1 a signal, where there is one: never to pid 0, which is all of us."""
        pid = self.pid()
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """End it at once: its process 1, and so all others, which unshare would not end itself,
        as they have become another user."""
        self.send(signal.SIGKILL)
        self.process.wait(10)

    def _has_begun(self) -> bool:
        """Whether its process 1 sees its own root, or it has ended already."""
        pid = self.pid()
        with suppress(FileNotFoundError):
            if pid and Path(f"/proc/{pid}/root").readlink() == self.place / "root":
                return True
        return self.process.poll() is not None

    def _confined(self, environment: Mapping[str, str]) -> list[str]:
        user = str(self.spec.user)
        return [
            "setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs",
            "--inh-caps=-all", "--bounding-set=-all",
            "env", "-i", "-C", self.spec.folder,
            *(f"{name}={value}" for name, value in environment.items()),
        ]  # fmt: skip

    def _script(self) -> str:
        """Makes the root file system and becomes the container's process 1."""
        root = self.place / "root"
        lines = ["mount --make-rprivate /", f"mount -t tmpfs tmpfs {root}"]

        def bind(source: Path, target: str, *, read_only: bool = True) -> None:
            at = shlex.quote(f"{root}{target}")
            made = f"mkdir -p {at}" if source.is_dir() else f"mkdir -p $(dirname {at}); touch {at}"
            lines.append(f"{made}; mount --bind {shlex.quote(str(source))} {at}")
            if read_only:
                lines.append(f"mount -o remount,bind,ro {at}")

        for name in ("bin", "sbin", "lib", "lib64"):
            path = Path("/", name)
            if path.is_symlink():
                lines.append(f"ln -s {path.readlink()} {root}/{name}")
            elif path.exists():
                bind(path, str(path))
        bind(Path("/usr"), "/usr")
        lines.append(f"cp -r {self.place}/etc {root}/etc")
        for device in ("null", "zero", "urandom"):
            bind(Path("/dev", device), f"/dev/{device}", read_only=False)
        # Before what this project brings along, which may lie below one of them.
        lines.extend(
            f"mkdir -p {root}{folder}; mount -t tmpfs tmpfs {root}{folder}"
            for folder in self.spec.tmpfs
        )
        bind(HOUSE, str(HOUSE))
        bind(Path(sys.prefix), INSTALLED)
        for outside in {Path(sys.prefix), Path(sys.base_prefix)}:
            if not outside.is_relative_to(HOUSE) and not outside.is_relative_to("/usr"):
                bind(outside, str(outside))
        for mount in self.spec.mounts:
            bind(mount.source, mount.target, read_only=mount.read_only)
        lines += [
            f"mkdir -p {root}/proc; mount -t proc proc {root}/proc",
            f"mkdir -p {root}{self.spec.folder}; mount -o remount,ro {root}",
            f"cd {root}",
        ]
        become = ["chroot", str(root), *self._confined(self.spec.environment)]
        lines.append("exec " + shlex.join([*become, *self.spec.command]))
        return "\n".join(lines)


def passes(probe: Callable[[], bool], container: Container, seconds: float = 30.0) -> None:
    """Wait until a probe passes, of a container that has to live on."""

    def passed() -> bool:
        assert container.process.poll() is None, container.output()
        return probe()

    until(passed, seconds)
