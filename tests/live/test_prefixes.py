"""A prefix from the application to its first identifier, by the command, at a live network."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import network, node_of, until, wuhan

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with network(tmp_path_factory.mktemp("prefixes"), "--config", "minimal") as folder:
        yield folder


def run(data: Path, *arguments: str) -> str:
    done = wuhan(*arguments, data=data)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(data: Path, *options: str) -> dict[str, dict]:
    return {
        row["prefix"]: row for row in json.loads(run(data, "prefix", "list", "--json", *options))
    }


def test_a_hosted_prefix(data: Path):
    run(data, "keys", "create", "hosted", "--type", "sm2", "--out", str(data))
    key = str(data / "hosted.pub.pem")
    run(data, "prefix", "apply", "88.901.70", "--title", "某厂", "--key", key, "--hosted")
    assert rows(data)["88.901.70"]["stage"] == "pending"
    out = run(data, "prefix", "approve", "88.901.70")
    assert "optics has registered 88.901.70, hosted" in out
    record = json.loads(run(data, "resolve", "0.NA/88.901.70", "--json"))
    assert [value["type"] for value in record["values"]] == [
        "HS_SITE",
        "DESC",
        "HS_ADMIN",
        "HS_VLIST",
        "HS_PUBKEY",
    ]
    missing = wuhan("resolve", "88.901.70/none", data=data)
    assert missing.returncode == 2
    until(lambda: "known_since" in rows(data)["88.901.70"])
    assert rows(data, "--node", "wuhan")["88.901.70"]["node"] == "optics"


def test_a_prefix_of_a_node_that_runs_elsewhere(data: Path):
    run(data, "keys", "create", "own", "--type", "secret", "--out", str(data))
    works = node_of(data, "88.901.1")
    address = f"127.0.0.1:{works['port']}"
    key = str(data / "own.secret")
    run(data, "prefix", "apply", "88.901.71", "--key", key, "--node", address)
    run(data, "prefix", "approve", "88.901.71")
    row = rows(data)["88.901.71"]
    assert (row["stage"], row["address"]) == ("delegated", address)


def test_a_rejected_prefix(data: Path):
    run(data, "keys", "create", "no", "--type", "sm2", "--out", str(data))
    key = str(data / "no.pub.pem")
    run(data, "prefix", "apply", "88.901.72", "--key", key, "--hosted")
    run(data, "prefix", "reject", "88.901.72", "--reason", "no contract")
    row = rows(data)["88.901.72"]
    assert (row["stage"], row["reason"]) == ("rejected", "no contract")


def test_figures_come_up(data: Path):
    for number in range(1, 4):
        run(data, "resolve", f"88.901.1/{number:06d}")
    until(lambda: rows(data)["88.901.1"].get("figures", {}).get("successes", 0) >= 3)
    until(lambda: rows(data, "--node", "wuhan")["88.901.1"]["prefix"] == "88.901.1")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("apply", "88.901.73", "--key", "KEY"), 1, "either --node HOST:PORT or --hosted"),
        (("apply", "10.1", "--key", "KEY", "--hosted"), 1, "lies below no prefix"),
        (("apply", "88.901.1", "--key", "KEY", "--hosted"), 1, "registered already"),
        (("apply", "88.901.1.2.", "--key", "KEY", "--hosted"), 1, "is not a prefix"),
        (("apply", "88.901.73", "--key", "KEY", "--node", "127.0.0.1:1"), 3, "127.0.0.1:1"),
        (("apply", "88.901.73", "--key", "KEY", "--node", "nonsense:x"), 1, "is not an address"),
        (("approve", "88.901.73"), 1, "nobody waits for 88.901.73"),
        (("reject", "88.901.73"), 1, "nobody waits"),
        (("list", "--node", "nobody"), 1, "has no node 'nobody'"),
    ],
)
def test_bad_input(data: Path, arguments: tuple[str, ...], code: int, reason: str):
    key = data / "bad.secret"
    key.write_text("secret")
    done = wuhan("prefix", *(str(key) if a == "KEY" else a for a in arguments), data=data)
    assert (done.returncode, done.stdout) == (code, "")
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_another_network_s_key_is_of_no_use(data: Path, tmp_path: Path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "state.json").write_bytes((data / "state.json").read_bytes())
    done = wuhan("prefix", "list", data=tmp_path)
    assert done.returncode == 3
    assert "belongs to another network" in done.stderr


def test_without_a_network(tmp_path: Path):
    done = wuhan("prefix", "list", data=tmp_path)
    assert done.returncode == 3
    assert "wuhan up" in done.stderr
