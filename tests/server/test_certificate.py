"""The network's certificate: made once, or the operator's."""

import ssl
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from resolver.cluster.names import with_addresses
from resolver.model.errors import ConfigError
from resolver.server.certificate import certificate_files, check_certificate
from resolver.topology.expand import expand
from resolver.topology.load import load_network
from resolver.topology.plan import DataPaths
from resolver.transport.tls import TlsFiles
from tests.support.certificates import server_files


def test_it_is_made_once(tmp_path: Path):
    network = expand(load_network("minimal"))
    files = certificate_files(network, DataPaths(tmp_path))
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    check_certificate(files)
    before = files.certificate.read_bytes()
    assert certificate_files(network, DataPaths(tmp_path)) == files
    assert files.certificate.read_bytes() == before
    (authority,) = ssl.create_default_context(cafile=str(files.certificate)).get_ca_certs()
    assert ("IP Address", "127.0.0.1") in authority["subjectAltName"]
    assert ("DNS", "localhost") in authority["subjectAltName"]


def test_it_has_the_names_by_which_nodes_are_found(tmp_path: Path):
    network = expand(load_network("minimal", environ={"WUHAN_NETWORK_ADVERTISE": "net-{node}"}))
    network = with_addresses(network, lookup=lambda name: "192.0.2.1")
    files = certificate_files(network, DataPaths(tmp_path))
    (authority,) = ssl.create_default_context(cafile=str(files.certificate)).get_ca_certs()
    assert ("IP Address", "192.0.2.1") in authority["subjectAltName"]
    assert ("DNS", "net-88-901-1") in authority["subjectAltName"]


def test_the_operator_s_own(tmp_path: Path):
    own = server_files(tmp_path / "own")
    network = replace(
        expand(load_network("minimal")),
        tls_certificate=str(own.certificate),
        tls_key=str(own.key),
    )
    assert certificate_files(network, DataPaths(tmp_path)) == own
    assert not (tmp_path / "keys").exists()


def test_files_that_cannot_be_used(tmp_path: Path):
    one, other = server_files(tmp_path / "one"), server_files(tmp_path / "other")
    with pytest.raises(ConfigError, match="cannot be read"):
        check_certificate(TlsFiles(tmp_path / "missing", one.key))
    with pytest.raises(ConfigError, match="are no certificate and its key"):
        check_certificate(TlsFiles(one.certificate, other.key))
    with pytest.raises(ConfigError, match="are no certificate and its key"):
        check_certificate(TlsFiles(one.key, one.key))
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ConfigError, match="are no certificate and its key"):
        check_certificate(TlsFiles(tmp_path / "empty", one.key))


def test_both_or_none(tmp_path: Path):
    file = tmp_path / "network.toml"
    file.write_text('[network]\ntls_key = "key.pem"\n')
    with pytest.raises(ConfigError, match="tls_certificate and tls_key belong together"):
        expand(load_network(str(file)))
