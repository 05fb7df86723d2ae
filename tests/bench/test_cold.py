"""The benchmark of cold resolutions measures what it says: real nodes, every answer checked."""

import asyncio
import json

import pytest

from bench import cold
from bench.openloop import Handles, Outcome, udp_load
from bench.unbound import Dns, domain_of, why_not
from resolver.wire.message import decode_request


@pytest.mark.slow
def test_a_short_run_of_the_whole_network(capsys: pytest.CaptureFixture[str]):
    # How fast it is, is for the benchmark to say; here only that the figures are of right answers.
    status = cold.main(["--rate", "100", "--seconds", "1", "--rounds", "1", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert status == (0 if report["met"] else 4)
    peer = [] if report["peer_left_out"] else [report["unbound"]]
    assert report["peer_left_out"] == why_not()
    for row in (report["four_tiers"], report["one_hop"], *peer):
        assert (row["asked"], row["right"], row["wrong"]) == (100, 100, {})
        assert 0 < row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"] <= row["max_ms"]
        assert row["cpu_us"] > 0
    # Four nodes have worked for a cold resolution, and one for a hop.
    assert report["ratio"]["one_hop"]["cpu_us"] > 1
    cold.print_report(report)
    assert "four tiers" in capsys.readouterr().out


async def test_what_is_wrong_is_counted():
    """A server that answers every other request, and that with another record's name."""

    class Server(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.count = 0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.count += 1
            if self.count % 2:
                reply = bytearray(data)
                reply[24:28] = (100).to_bytes(4, "big")
                self.transport.sendto(bytes(reply), addr)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
    try:
        address = transport.get_extra_info("sockname")
        outcome = await udp_load(address, ["88.901.1/x"] * 4, rate=1000, drain_s=0.1)
    finally:
        transport.close()
    assert outcome.seconds == []
    assert outcome.wrong == {"response code 100": 2, "no answer": 2}


def test_percentiles():
    outcome = Outcome(seconds=[0.004, 0.001, 0.003, 0.002])
    assert [outcome.percentile(share) for share in (0, 0.5, 1.0)] == [0.001, 0.003, 0.004]


def test_the_request_is_what_a_client_sends():
    request = decode_request(Handles().request("88.901.1/x", 7))
    assert (request.envelope.request_id, request.op_code) == (7, 1)


def test_a_name_in_the_dns_stands_for_a_handle():
    assert domain_of("88.901.1/000042") == "000042.1.901.88"
    question = Dns().request("000042.1.901.88", 513)
    assert Dns().number_of(question) == 513
    assert b"\x06000042\x011\x03901\x0288\x00" in question
    refused = question[:2] + b"\x81\x85" + question[4:]
    assert Dns().trouble_with(refused, "000042.1.901.88") == "response code 5"
    assert Dns().trouble_with(question, "000042.1.901.88") == "another record"
