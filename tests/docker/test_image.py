"""docker/Dockerfile: lint, and what it says of the image."""

import re
import subprocess
import sysconfig
from fnmatch import fnmatch
from pathlib import Path

from resolver.cluster.kubernetes import DATA, USER
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from tests.support.images import HOUSE, image_of, instructions

DOCKER = HOUSE / "docker"
DOCKERFILE = DOCKER / "Dockerfile"


def lint(tool: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(Path(sysconfig.get_path("scripts"), tool)), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_hadolint():
    lint("hadolint", "--no-color", "--failure-threshold", "style", str(DOCKERFILE))


def test_yamllint():
    lint("yamllint", "--strict", "--config-file", str(DOCKER / ".yamllint.yaml"), str(DOCKER))


def test_the_image_runs_a_network_without_rights_and_says_how_it_is():
    image = image_of(DOCKERFILE)
    assert (image.entrypoint, image.command) == (["wuhan"], ["up"])
    assert image.health == ["wuhan", "health"]
    assert "--start-period=" in image.labels["healthcheck"]
    assert (image.user, image.folder, image.volumes) == (USER, DATA, [DATA])
    assert image.signal == "SIGTERM"
    assert image.environment["WUHAN_DATA"] == DATA
    assert image.labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_its_settings_are_those_of_the_program():
    """Every preset is a valid network with the image's environment."""
    environment = image_of(DOCKERFILE).environment
    for preset in ("wuhan", "minimal"):
        topology = expand(load_network(preset, environ=environment))
        assert {node.bind for node in topology.nodes} == {("0.0.0.0", "::")}


def test_what_is_copied_is_there_and_not_ignored():
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    kept = [line[1:] for line in ignored if line.startswith("!")]
    copied = [
        source
        for keyword, rest in instructions(DOCKERFILE)
        if keyword == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert copied
    for source in copied:
        assert (HOUSE / source).exists()
        assert any(source == one or fnmatch(source, f"{one}/*") for one in kept), source
    assert {one.split("/")[0] for one in copied} == set(kept)


def test_nothing_that_only_builds_is_left_in_the_image():
    """What the lock file has for the build alone is what the Dockerfile takes away again."""
    lock = (HOUSE / "requirements-run.lock").read_text(encoding="utf-8")
    wanted_by = {}
    for package, rest in re.findall(r"^([a-z0-9-]+)==[^\n]*\n((?: [^\n]*\n)+)", lock, re.MULTILINE):
        told = rest.partition("# via")[2]
        wanted_by[package] = set(re.findall(r"#? +(wuhan \(\S+\)|[a-z0-9-]+)$", told, re.MULTILINE))
    building = {name for name, by in wanted_by.items() if all("build-system" in b for b in by)}
    while True:
        more = {name for name, by in wanted_by.items() if by and by <= building | {""}} - building
        if not more:
            break
        building |= more
    assert "hatchling" in building
    (taken,) = (rest for keyword, rest in instructions(DOCKERFILE) if "pip uninstall" in rest)
    assert set(taken.split()[3:]) == building
