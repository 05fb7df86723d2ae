"""The certificate of a network's HTTPS: the operator's own, or one that the network signs itself at
its first start.

Rule: what the nodes present is the same for all of them; who talks to them on a sandbox's loopback
trusts the file, or nothing.
"""

import fcntl
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

from resolver.model.errors import ConfigError
from resolver.topology.plan import DataPaths, Topology
from resolver.transport.tls import TlsFiles

if TYPE_CHECKING:
    from cryptography.x509 import GeneralName

_YEARS: Final = 10
_DAY: Final = timedelta(days=1)
_LOCALHOST: Final = "localhost"


def certificate_files(topology: Topology, paths: DataPaths) -> TlsFiles:
    """The files of the network's certificate, which is made if the operator has none."""
    if topology.tls_certificate and topology.tls_key:
        return TlsFiles(Path(topology.tls_certificate), Path(topology.tls_key))
    folder = paths.network_key.parent
    files = TlsFiles(folder / "https.crt", folder / "https.key")
    if not (files.certificate.exists() and files.key.exists()):
        places = {
            place
            for node in topology.nodes
            for place in (*node.bind, node.advertise, node.host)
            if place
        }
        _make_once(files, topology.name, sorted(places))
    return files


def check_certificate(files: TlsFiles) -> None:
    """Make sure that nodes can use the certificate.

    Raises:
        ConfigError: a file is missing, cannot be read, or they do not belong together.
    """
    from OpenSSL import SSL

    from resolver.transport.tls import context_of

    for file in (files.certificate, files.key):
        try:
            file.read_bytes()
        except OSError as error:
            raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    try:
        context_of(files)
    except SSL.Error as error:
        reason = error.args[0][0][-1] if error.args and error.args[0] else "not in PEM form"
        raise ConfigError(
            f"{files.certificate} and {files.key} are no certificate and its key ({reason})"
        ) from None


def _make_once(files: TlsFiles, name: str, places: Iterable[str]) -> None:
    """Make the files; of several processes that want to, one does."""
    files.key.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(files.key.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not (files.certificate.exists() and files.key.exists()):
            _make(files, name, places)
    finally:
        os.close(folder)


def _make(files: TlsFiles, name: str, places: Iterable[str]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"wuhan network {name}"[:64])])
    names: list[x509.GeneralName] = [x509.DNSName(_LOCALHOST)]
    names += map(_general_name, places)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 365 * _YEARS * _DAY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(
        files.key,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        0o600,
    )
    _write(files.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _general_name(place: str) -> "GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(place))
    except ValueError:
        return x509.DNSName(place)


def _write(path: Path, octets: bytes, mode: int) -> None:
    """Write aside and rename, so that a crash leaves no half a file."""
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
    draft.rename(path)
