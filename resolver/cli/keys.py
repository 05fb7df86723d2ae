"""``wuhan keys create``: key pairs and secrets for administrators."""

import os
import secrets
from pathlib import Path
from typing import Final

import click

from resolver.cli import output
from resolver.model.errors import ConfigError
from resolver.model.value import HandleValue, Permission

SECRET: Final = "secret"
_SECRET_OCTETS: Final = 24
_KINDS: Final = ("rsa", "dsa", "sm2", SECRET)


@click.group()
def keys() -> None:
    """Keys of administrators."""


@keys.command("create")
@click.argument("name")
@click.option("--type", "kind", type=click.Choice(_KINDS), default="rsa", show_default=True)
@click.option(
    "--bits", type=click.Choice(["2048", "3072", "4096"]), default="2048", help="Of an RSA key."
)
@click.option(
    "--out", default=".", show_default=True, type=click.Path(file_okay=False), help="Folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(name: str, kind: str, bits: str, out: str, as_json: bool) -> None:
    """Make a key and write it to NAME.pem, with its public half in NAME.pub.pem.

    A secret is written to NAME.secret. Files of private keys and secrets can be read by their owner
    only; nothing is overwritten.
    """
    folder = Path(out)
    if name != Path(name).name:
        raise ConfigError(f"{name!r} is no name of a file; give the folder with --out")
    if kind == SECRET:
        private = folder / f"{name}.secret"
        public = private
        _write(private, secrets.token_urlsafe(_SECRET_OCTETS).encode(), private=True)
    else:
        # Imported here: making keys needs a library that takes a while to load.
        from resolver.security.keys import generate

        private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
        if public.exists():
            raise ConfigError(f"{public} exists; choose another name")
        pair = generate(kind, int(bits))
        _write(private, pair.private_pem, private=True)
        _write(public, pair.public_pem, private=False)
    if as_json:
        output.emit_json({"type": kind, "private": str(private), "public": str(public)})
        return
    click.echo(f"  private  {private}")
    if kind != SECRET:
        click.echo(f"  public   {public}")
    click.echo(f"next: wuhan prefix apply PREFIX --key {public} --hosted")


def key_value(path: Path, index: int = 0) -> HandleValue:
    """The key in a file as a value: HS_PUBKEY of a public key in PEM, else HS_SECKEY.

    Raises:
        ConfigError: the file cannot be read, holds a private key, or no key at all.
        WireError: it holds a key of another kind.
    """
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    if b"PRIVATE KEY-----" in octets:
        raise ConfigError(f"{path} is a private key; the public half is wanted (….pub.pem)")
    if b"-----BEGIN" in octets:
        from resolver.security.keys import public_key_from_pem
        from resolver.wire.typed import encode_public_key

        return HandleValue(index, "HS_PUBKEY", encode_public_key(public_key_from_pem(octets)))
    secret = octets.strip()
    if not secret:
        raise ConfigError(f"{path} is empty")
    permissions = Permission.ADMIN_READ | Permission.ADMIN_WRITE
    return HandleValue(index, "HS_SECKEY", secret, permissions=permissions)


def _write(path: Path, octets: bytes, *, private: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o600 if private else 0o644
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise ConfigError(f"{path} exists; choose another name") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
