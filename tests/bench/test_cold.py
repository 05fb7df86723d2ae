"""The benchmark of cold resolutions measures what it says: real nodes, every answer checked."""

import json

import pytest

from bench import cold
from bench.native import why_not as why_no_compiler
from bench.speech import domain_question, handle_request
from bench.unbound import domain_of, why_not
from resolver.wire.message import decode_request


@pytest.mark.slow
@pytest.mark.skipif(bool(why_no_compiler()), reason=why_no_compiler())
def test_a_short_run(capsys: pytest.CaptureFixture[str]):
    # How fast it is, is for the benchmark to say; here only that the figures are of right answers.
    options = ["--rate", "100", "--seconds", "1", "--rounds", "1", "--network", "minimal"]
    status = cold.main([*options, "--json"])
    report = json.loads(capsys.readouterr().out)
    assert status == (0 if report["met"] else 4)
    peer = [] if report["peer_left_out"] else [report["unbound"]]
    assert report["peer_left_out"] == why_not()
    for row in (report["four_tiers"], report["one_hop"], *peer):
        assert (row["asked"], row["right"], row["trouble"]) == (100, 100, "")
        assert 0 < row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"] <= row["max_ms"]
        assert row["cpu_us"] > 0
    # Four nodes have worked for a cold resolution, and one for a hop.
    assert report["ratio"]["one_hop"]["cpu_us"] > 1
    cold.print_report(report)
    assert "four tiers" in capsys.readouterr().out


def test_the_request_is_what_a_client_sends():
    request = handle_request("88.901.1/x")
    message = decode_request(request.octets)
    assert (message.op_code, message.envelope.request_id) == (1, 0)
    assert request.name == b"88.901.1/x"


def test_a_name_in_the_dns_stands_for_a_handle():
    assert domain_of("88.901.1/000042") == "000042.1.901.88"
    question = domain_question("000042.1.901.88")
    assert question.name == b"\x06000042\x011\x03901\x0288\x00"
    assert question.octets == b"\0\0\x01\0\0\1\0\0\0\0\0\0" + question.name + b"\0\x10\0\1"
    with_edns = domain_question("000042.1.901.88", edns=True).octets
    assert with_edns[10:12] == b"\0\1"
    assert with_edns[12:].startswith(question.octets[12:])
    assert len(with_edns) == len(question.octets) + 11
