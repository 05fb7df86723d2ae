"""The peers benchmark compares like with like: equal answers, every one right."""

import json
from pathlib import Path

import pytest

from bench import peers
from bench.dns import PeerError, why_no_unbound
from bench.native import why_not
from bench.network import minimal_network, url_records
from bench.peer_dns import why_no_knot, write_zone


@pytest.mark.slow
@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_a_short_run_of_all_peers(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with minimal_network(tmp_path, url_records(1)) as foreign:
        server = f"localhost:{foreign.enterprise.port}"
        options = ["--names", "50", "--rounds", "2", "--seconds", "0.1", "--json"]
        options += ["--handle-server", server, "--handle", "88.901.1/p-00000000"]
        status = peers.main(options)
    report = json.loads(capsys.readouterr().out)
    assert status == (0 if report["met"] else 4)
    missing = {"unbound": why_no_unbound(), "knot": why_no_knot()}
    assert report["left_out"] == {name: reason for name, reason in missing.items() if reason}
    assert report["troubles"] == {}
    there = {"recursive", "enterprise", "echo", "other", *(set(missing) - set(report["left_out"]))}
    assert set(report["servers"]) == there
    for row in report["servers"].values():
        assert row["octets"] == report["answer_octets"] > 100
        assert row["right"] > 0
        assert 0 < row["cpu_us_least"] <= row["cpu_us"] <= row["cpu_us_most"]
    assert report["servers"]["recursive"]["ratio"] == 1
    assert report["servers"]["echo"]["ratio"] > 0
    peers.print_report(report)
    assert "Handle server at port" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--handle-server", "127.0.0.1:2641"], "belong together"),
        (["--handle-server", "127.0.0.1", "--handle", "x"], "HOST:PORT is needed"),
        (["--handle-server", "192.0.2.1:2641", "--handle", "x"], "not a loopback address"),
        (["--handle-server", "example.org:2641", "--handle", "x"], "not a loopback address"),
    ],
)
def test_other_servers_must_be_on_this_machine(
    options: list[str], reason: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        peers.main(options)
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def test_an_answer_of_any_size_cannot_be_made(tmp_path: Path):
    with pytest.raises(PeerError, match="an answer of 40 octets"):
        write_zone(tmp_path, 1, 40)
    with pytest.raises(PeerError, match="an answer of 400 octets"):
        write_zone(tmp_path, 1, 400)
    write_zone(tmp_path, 2, 100)
    rows = (tmp_path / "bench.zone").read_text().splitlines()[-2:]
    # Header 12, question 18 + 4, record 12, length of the text 1: 47 of 100.
    assert rows == [f'p-0000000{number} IN TXT "{"x" * 53}"' for number in (0, 1)]
