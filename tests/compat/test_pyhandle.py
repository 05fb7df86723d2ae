"""pyhandle as it is, reading and changing records over our HTTP door."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pyhandle.client.resthandleclient import RESTHandleClient
from pyhandle.clientcredentials import PIDClientCredentials
from pyhandle.handleclient import PyHandleClient
from pyhandle.handleexceptions import (
    GenericHandleError,
    HandleAlreadyExistsException,
    HandleAuthenticationError,
    HandleNotFoundException,
    HandleSyntaxError,
)

from resolver.model.site import AdminRecord, AdminRight
from resolver.model.value import HandleValue, Reference
from resolver.transport.http import serve_http
from resolver.wire.typed import encode_admin, encode_vlist
from resolver.wire.values import ValueList
from tests.conformance.prover import KEYS
from tests.support.certificates import client_files, server_files
from tests.support.live_network import LiveNetwork, network

__all__ = ["network"]

HANDLE = "88.901.1/motor"
NODES = ["works", "recursive"]


@pytest.fixture(params=NODES)
def read(request: pytest.FixtureRequest, network: LiveNetwork) -> Callable[..., Any]:
    """Calls a method of pyhandle's client on a thread, beside the loop of the network."""
    url = f"http://{network.address(request.param, 'http')}"
    client = PyHandleClient("rest").instantiate_for_read_access(handle_server_url=url)

    async def call(method: str, *arguments: object, **options: object) -> Any:
        return await asyncio.to_thread(partial(getattr(client, method), *arguments, **options))

    return call


async def test_a_record_as_a_dictionary(read):
    assert await read("retrieve_handle_record", HANDLE) == {
        "URL": "https://example.com/motor",
        "DESC": "电机",
        "url.mirror": "https://example.org/motor",
    }


async def test_a_record_as_json(read):
    record = await read("retrieve_handle_record_json", HANDLE)
    assert (record["responseCode"], record["handle"]) == (1, HANDLE)
    assert [value["index"] for value in record["values"]] == [1, 2, 3]
    assert record["values"][1]["ttl"] == 600


@pytest.mark.parametrize(
    ("options", "indexes"),
    [
        ({"indices": [1, 3]}, [1, 3]),
        ({"type": "DESC"}, [2]),
        ({"auth": True}, [1, 2, 3]),
        ({"cert": True}, [1, 2, 3]),
    ],
)
async def test_options(read, options: dict[str, Any], indexes: list[int]):
    record = await read("retrieve_handle_record_json", HANDLE, **options)
    assert (record["responseCode"], record["handle"]) == (1, HANDLE)
    assert [value["index"] for value in record["values"]] == indexes


async def test_the_case_of_a_handle_does_not_matter(read):
    record = await read("retrieve_handle_record_json", HANDLE.upper())
    assert (record["handle"], len(record["values"])) == (HANDLE.upper(), 3)


async def test_a_prefix_of_somebody_else(network: LiveNetwork):
    url = f"http://{network.address('works', 'http')}"
    client = PyHandleClient("rest").instantiate_for_read_access(handle_server_url=url)
    with pytest.raises(GenericHandleError, match="301"):
        await asyncio.to_thread(client.retrieve_handle_record_json, "99.1/other")


async def test_one_value(read):
    assert await read("get_value_from_handle", HANDLE, "URL") == "https://example.com/motor"
    assert await read("get_value_from_handle", HANDLE, "NOTHING") is None


async def test_a_record_longer_than_a_datagram(read):
    record = await read("retrieve_handle_record_json", "88.901.1/large")
    assert len(record["values"]) == 20


async def test_a_handle_that_does_not_exist(read):
    assert await read("retrieve_handle_record_json", "88.901.1/nothing") is None
    with pytest.raises(HandleNotFoundException):
        await read("get_value_from_handle", "88.901.1/nothing", "URL")


async def test_a_handle_that_is_none(read):
    with pytest.raises(HandleSyntaxError):
        await read("retrieve_handle_record", "no-slash")


ADMIN = "88.901.1/ADMIN"
USER, PASSWORD = f"301:{ADMIN}", "sandbox"


class Door(NamedTuple):
    """Where a client finds the node, and the certificate it may trust."""

    url: str
    verify: str


def with_password(door: Door, password: str = PASSWORD) -> Any:
    """A client that knows its user's password; it knows the server by its certificate."""
    return PyHandleClient("rest").instantiate_with_username_and_password(
        door.url, USER, password, HTTPS_verify=door.verify
    )


def with_certificate(door: Door, folder: Path, *, name: str = f"300:{ADMIN}") -> Any:
    """A client with a certificate for the key at index 300 of its user."""
    private = load_pem_private_key((KEYS / "admin_rsa_priv.pem").read_bytes(), None)
    files = client_files(folder, private, name)  # type: ignore[arg-type]
    credentials = PIDClientCredentials(
        client="rest",
        handle_server_url=door.url,
        private_key=str(files.key),
        certificate_only=str(files.certificate),
        handleowner=f"300:{ADMIN}",
    )
    return PyHandleClient("rest").instantiate_with_credentials(
        credentials, HTTPS_verify=door.verify
    )


@pytest.fixture(params=["password over TLS", "certificate", "password over plain HTTP"])
async def write(
    request: pytest.FixtureRequest, network: LiveNetwork, tmp_path: Path
) -> Callable[..., Any]:
    """Calls a method of pyhandle's client that can say who it is."""
    door = await opened(network, tmp_path, plain=request.param.endswith("HTTP"))
    if request.param == "certificate":
        client = await asyncio.to_thread(with_certificate, door, tmp_path)
    else:
        client = await asyncio.to_thread(with_password, door)

    async def call(method: str, *arguments: object, **options: object) -> Any:
        return await asyncio.to_thread(partial(getattr(client, method), *arguments, **options))

    return call


async def opened(network: LiveNetwork, folder: Path, *, plain: bool = False) -> Door:
    """A door of "works" that speaks TLS, or takes passwords over plain HTTP."""
    admin = encode_admin(AdminRecord(AdminRight.ALL, "0.NA/88.901.1", 200))
    group = encode_vlist((Reference(ADMIN, 301), Reference(ADMIN, 300)))
    user = [
        HandleValue(1, "DESC", b"pyhandle asks whether its user exists"),
        HandleValue(300, "HS_PUBKEY", (KEYS / "admin_rsa_pub.bin").read_bytes()),
        HandleValue(301, "HS_SECKEY", PASSWORD.encode(), permissions=12),
    ]
    network.states["works"].store.put_many([(ADMIN, ValueList.of(user))])
    optics = network.states["optics"].store
    record = optics.get("0.NA/88.901.1")
    assert record is not None
    values = [*record, HandleValue(100, "HS_ADMIN", admin), HandleValue(200, "HS_VLIST", group)]
    optics.put_many([("0.NA/88.901.1", ValueList.of(values))])
    sock = socket.create_server(("127.0.0.1", 0))
    files = server_files(folder / "tls")
    door = await serve_http(network.services["works"], sock, passwords=plain, tls=files)
    network.running.push_async_callback(door.close)
    address = f"127.0.0.1:{sock.getsockname()[1]}"
    return Door(f"http{'' if plain else 's'}://{address}", str(files.certificate))


async def test_a_life(write, read):
    made = "88.901.1/pump-9"
    assert await write("register_handle", made, "https://example.com/9", DESC="泵") == made
    assert await read("get_value_from_handle", made, "URL") == "https://example.com/9"
    with pytest.raises(HandleAlreadyExistsException):
        await write("register_handle", made, "https://example.com/other")
    await write("modify_handle_value", made, URL="https://example.com/new", NEW="more")
    record = await write("retrieve_handle_record", made)
    assert (record["URL"], record["NEW"], record["DESC"]) == (
        "https://example.com/new", "more", "泵",
    )  # fmt: skip
    await write("delete_handle_value", made, "NEW")
    assert await write("get_value_from_handle", made, "NEW") is None
    await write("delete_handle", made)
    assert await write("retrieve_handle_record_json", made) is None


async def test_a_wrong_password(network: LiveNetwork, tmp_path: Path):
    door = await opened(network, tmp_path)
    client = await asyncio.to_thread(with_password, door, "guess")
    with pytest.raises(HandleAuthenticationError):
        await asyncio.to_thread(client.register_handle, "88.901.1/no", "https://example.com/")
    assert network.states["works"].store.get("88.901.1/no") is None


async def test_a_certificate_of_somebody_else(network: LiveNetwork, tmp_path: Path):
    door = await opened(network, tmp_path)
    client = await asyncio.to_thread(
        partial(with_certificate, door, tmp_path, name="300:88.901.1/OTHER")
    )
    with pytest.raises(HandleAuthenticationError):
        await asyncio.to_thread(client.register_handle, "88.901.1/no", "https://example.com/")
    assert network.states["works"].store.get("88.901.1/no") is None


async def test_a_user_that_is_not_registered(network: LiveNetwork, tmp_path: Path):
    door = await opened(network, tmp_path)
    client = PyHandleClient("rest")
    with pytest.raises(HandleNotFoundException):
        await asyncio.to_thread(
            client.instantiate_with_username_and_password,
            door.url, "301:88.901.1/NOBODY", PASSWORD, HTTPS_verify=door.verify,
        )  # fmt: skip


async def test_a_handle_that_is_not_registered(write):
    with pytest.raises(HandleNotFoundException):
        await write("modify_handle_value", "88.901.1/nothing", URL="https://example.com/")
    with pytest.raises(HandleNotFoundException):
        await write("delete_handle_value", "88.901.1/nothing", "URL")


async def test_no_password_where_others_may_read_it(network: LiveNetwork, tmp_path: Path):
    door = await opened(network, tmp_path)
    plain = Door(door.url.replace("https:", "http:"), door.verify)
    client = await asyncio.to_thread(with_password, plain)
    with pytest.raises(HandleAuthenticationError):
        await asyncio.to_thread(client.register_handle, "88.901.1/no", "https://example.com/")
    assert network.states["works"].store.get("88.901.1/no") is None


async def test_through_the_plain_rest_client(network: LiveNetwork):
    url = f"http://{network.address('recursive', 'http')}"
    client = await asyncio.to_thread(
        RESTHandleClient.instantiate_for_read_access, handle_server_url=url
    )
    found = await asyncio.to_thread(client.retrieve_handle_record, HANDLE)
    assert found["URL"] == "https://example.com/motor"
