"""TLS on the port of plain HTTP: the first octet of a connection tells which it is.

pyOpenSSL does the TLS, between the connection and the protocol above it, because the standard
library's cannot ask a client for a certificate without an authority that signed it; clients of the
field bring certificates that they signed themselves, and what counts is the key in them
(docs/protocol.md §13).

Rules: the library is imported when the first client begins with TLS, as most nodes never see one
and it takes some megabytes. Whoever does not finish the handshake in time is turned away.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from resolver.transport.door import Service
from resolver.transport.elsewhere import HTTP, Elsewhere, is_for_the_first_http
from resolver.transport.http_identity import CERTIFICATE, certificate_name_and_key

if TYPE_CHECKING:
    from OpenSSL import SSL

HANDSHAKE_S: Final = 10.0
"""For the first octet, and for the handshake."""

_HANDSHAKE_OCTET: Final = 0x16
_READ_OCTETS: Final = 1 << 16

Factory = Callable[[], asyncio.BaseProtocol]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a certificate (with those of its authorities, if any) and its key are, in PEM."""

    certificate: Path
    key: Path


def sniffing(
    factory: Factory,
    files: TlsFiles | None,
    service: Service,
    elsewhere: Elsewhere | None = None,
) -> Factory:
    """Makes protocols that find out whether a client speaks TLS, then hand it to one of
    ``factory``.

    Args:
        files: without them nobody who begins with TLS is served.
        service: counts those who are turned away.
        elsewhere: who takes connections that are not for this process.
    """
    return lambda: _Sniffer(factory, files, service, elsewhere)


@lru_cache(maxsize=8)
def context_of(files: TlsFiles) -> "SSL.Context":
    """A server's TLS settings: TLS 1.2 or newer, client certificates welcome from whomever."""
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_chain_file(str(files.certificate))
    context.use_privatekey_file(str(files.key))
    context.check_privatekey()
    # Resumed sessions would not show the client's certificate again.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET)
    context.set_verify(SSL.VERIFY_PEER, _anybody)
    return context


def _anybody(*_: object) -> bool:
    """The handshake proves that the client has the certificate's key; whose key that is, records
    say."""
    return True


class _Sniffer(asyncio.Protocol):
    """Waits for the first octets of a connection."""

    def __init__(
        self,
        factory: Factory,
        files: TlsFiles | None,
        service: Service,
        elsewhere: Elsewhere | None,
    ) -> None:
        self._elsewhere: Final = elsewhere
        self._factory: Final = factory
        self._files: Final = files
        self._service: Final = service
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop when a client connects."""
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_S, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop when the connection is gone."""
        self._settled()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Called by the loop with what came first."""
        self._settled()
        if self._elsewhere is not None and is_for_the_first_http(data):
            sock = self._transport.get_extra_info("socket")
            if not self._elsewhere.take_connection(HTTP, sock, data):
                self._service.rejected("http", "overload")
            self._transport.abort()
            return
        if data[0] != _HANDSHAKE_OCTET:
            above: Any = self._factory()
        elif self._files is not None:
            above = _TlsProtocol(self._factory(), context_of(self._files), self._service)
        else:
            self._service.rejected("http", "malformed")
            self._transport.close()
            return
        self._transport.set_protocol(above)
        above.connection_made(self._transport)
        above.data_received(data)

    def _settled(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _too_late(self) -> None:
        self._service.rejected("http", "timeout")
        self._transport.close()


class _TlsProtocol(asyncio.Protocol):
    """TLS between a connection and the protocol ``above``."""

    def __init__(self, above: Any, context: "SSL.Context", service: Service) -> None:
        from OpenSSL import SSL

        self.above: Any = above
        self._service: Final = service
        self.tls: Final = SSL.Connection(context, None)
        self.tls.set_accept_state()
        self._transport: Any = None
        self._is_open = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called with the connection that a client opened."""
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_S, self._too_late)

    def data_received(self, data: bytes) -> None:
        """Called by the loop with what the client sent."""
        from OpenSSL import SSL

        self.tls.bio_write(data)
        try:
            if not self._is_open:
                self.tls.do_handshake()
                self._opened()
            while True:
                self.above.data_received(self.tls.recv(_READ_OCTETS))
        except SSL.WantReadError:
            self.flush()
        except SSL.ZeroReturnError:
            self.flush()
            self._transport.close()
        except SSL.Error:
            # What the client has to know about it, an alert, is waiting to be sent.
            self.flush()
            self._service.rejected("http", "malformed")
            self._transport.close()

    def eof_received(self) -> None:
        """Called by the loop when the client will send no more."""
        if self._is_open:
            self.above.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop when the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
        if self._is_open:
            self.above.connection_lost(exc)

    def pause_writing(self) -> None:
        """Called by the loop when the client does not read."""
        if self._is_open:
            self.above.pause_writing()

    def resume_writing(self) -> None:
        """Called by the loop when the client reads again."""
        if self._is_open:
            self.above.resume_writing()

    def flush(self) -> None:
        """Send what TLS has to send."""
        from OpenSSL import SSL

        while not self._transport.is_closing():
            try:
                self._transport.write(self.tls.bio_read(_READ_OCTETS))
            except SSL.WantReadError:
                return

    def _opened(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._is_open = True
        self.above.connection_made(_TlsTransport(self, self._transport))

    def _too_late(self) -> None:
        self._service.rejected("http", "timeout")
        self._transport.close()


class _TlsTransport(asyncio.Transport):
    """What the protocol above a TLS connection writes to."""

    def __init__(self, protocol: _TlsProtocol, below: Any) -> None:
        super().__init__()
        self._protocol: Final = protocol
        self._below: Final = below

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Besides what the connection knows: ``sslcontext``, and the client's certificate as
        (common name, key)."""
        tls = self._protocol.tls
        if name == "sslcontext":
            return tls.get_context()
        if name == CERTIFICATE:
            certificate = tls.get_peer_certificate(as_cryptography=True)
            return default if certificate is None else certificate_name_and_key(certificate)
        return self._below.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send ``data``, encrypted."""
        octets = memoryview(data)
        while octets and not self._below.is_closing():
            octets = octets[self._protocol.tls.send(bytes(octets[:_READ_OCTETS])) :]
        self._protocol.flush()

    def get_protocol(self) -> Any:
        """Who is above TLS."""
        return self._protocol.above

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let somebody else be above TLS from now on."""
        self._protocol.above = protocol

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return bool(self._below.is_closing())

    def close(self) -> None:
        """Say goodbye, send what is left, close."""
        from OpenSSL import SSL

        if not self._below.is_closing():
            with suppress(SSL.Error):
                self._protocol.tls.shutdown()
            self._protocol.flush()
        self._below.close()

    def abort(self) -> None:
        """Close at once."""
        self._below.abort()

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._below.resume_reading()

    def is_reading(self) -> bool:
        """Whether anything is read."""
        return bool(self._below.is_reading())

    def get_write_buffer_size(self) -> int:
        """Octets that wait to be sent."""
        return int(self._below.get_write_buffer_size())

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When writing is to pause."""
        self._below.set_write_buffer_limits(high, low)
