"""Certificates for tests: a server's for the loopback, and a client's that it signed itself."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from resolver.transport.tls import TlsFiles


def server_files(folder: Path) -> TlsFiles:
    """A certificate for 127.0.0.1 and localhost, and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    return _write(folder, "server", ec.generate_private_key(ec.SECP256R1()), "a node")


def client_files(folder: Path, key: CertificateIssuerPrivateKeyTypes, name: str) -> TlsFiles:
    """A certificate for ``key`` whose common name is ``name``."""
    folder.mkdir(parents=True, exist_ok=True)
    return _write(folder, f"client-{abs(hash(name))}", key, name)


def _write(folder: Path, stem: str, key: CertificateIssuerPrivateKeyTypes, name: str) -> TlsFiles:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = TlsFiles(folder / f"{stem}.crt", folder / f"{stem}.key")
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
