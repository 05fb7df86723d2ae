"""Answers to requests with CERT are signed, so that whoever knows the node's key can tell."""

from collections import Counter
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from resolver.model.codes import OpCode, OpFlag
from resolver.server.keys import load_or_make_key
from resolver.wire.credential import signed_octets
from resolver.wire.message import decode_message, decode_request
from resolver.wire.typed import RsaPublicKey, decode_public_key
from tests.conformance.recorded_network import RecordedNetwork, over_tcp
from tests.conformance.test_replay import _cut
from tests.support.recorded import exchanges


async def test_recorded_requests_with_cert_are_answered_with_a_signature(tmp_path: Path):
    nodes, checked = RecordedNetwork(), Counter[tuple[str, tuple[int, int]]]()
    async with nodes.running:
        await nodes.start(tmp_path)
        record = decode_public_key(load_or_make_key(tmp_path / "network.pem").public_record)
        assert isinstance(record, RsaPublicKey)
        numbers = [int.from_bytes(number, "big") for number in (record.exponent, record.modulus)]
        key = RSAPublicNumbers(*numbers).public_key()
        for exchange in exchanges():
            if not exchange.name.startswith(
                ("resolve_certified", "resolve_cert_digest", "idsdk_lookup_certify")
            ):
                continue
            if exchange.transport != "tcp" or exchange.name.endswith("#1"):
                continue
            request = decode_request(exchange.requests[0])
            assert (request.op_code, bool(request.flags & OpFlag.CERT)) == (OpCode.RESOLVE, True)
            (octets,) = _cut(await over_tcp(nodes.port(2641, "tcp"), exchange.requests[0]))
            reply = decode_message(octets)
            credential = reply.credential
            assert credential is not None
            assert (credential.type, credential.hash_algorithm) == ("HS_SIGNED", "SHA-256")
            signed = signed_octets(octets, credential.session_counter)
            key.verify(credential.signature, signed, padding.PKCS1v15(), hashes.SHA256())
            assert (reply.digest is not None) == bool(request.flags & OpFlag.RRDG)
            checked[exchange.file, reply.envelope.version] += 1
    assert checked["handle_net_java_client", (2, 11)] == 2
    assert checked["idsdk_keepalive", (2, 10)] == 2
