"""``wuhan id``: what an identifier says, without asking anybody."""

import click

from resolver.cli import output
from resolver.model.identifier import Identifier
from resolver.schemes import SCHEMES, read


@click.group("id")
def identifiers() -> None:
    """Identifiers of all schemes: VAA, Handle, OID, Ecode, GS1, DID, MA."""


@identifiers.command("explain")
@click.argument("text")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(text: str, as_json: bool) -> None:
    """Say which scheme reads TEXT, its parts, and the handle to resolve for it."""
    identifier = read(text)
    if as_json:
        output.emit_json(identifier_to_json(identifier))
    else:
        click.echo("\n".join(lines_of(identifier)))


def identifier_to_json(identifier: Identifier) -> dict[str, object]:
    """The JSON form of an identifier as read."""
    return {
        "text": identifier.text,
        "scheme": identifier.scheme,
        "title": title_of(identifier),
        "normalised": identifier.normalised,
        "prefix": identifier.prefix,
        "suffix": identifier.suffix,
        "handle": identifier.handle,
        "parts": [{"name": name, "value": value} for name, value in identifier.parts],
        "assumptions": list(identifier.assumptions),
    }


def lines_of(identifier: Identifier) -> list[str]:
    """The explanation for people: the reading, then its parts, then what is assumed."""
    reading = (
        ("scheme", title_of(identifier)),
        ("normalised", identifier.normalised),
        ("resolves as", identifier.handle),
    )
    width = max(len(name) for name, _ in (*reading, *identifier.parts))
    rows = [*reading, ("", ""), *identifier.parts]
    lines = [identifier.text, *(f"  {name:<{width}}  {value}".rstrip() for name, value in rows)]
    if identifier.assumptions:
        lines += ["", *(f"  assumed: {sentence}" for sentence in identifier.assumptions)]
    return lines


def title_of(identifier: Identifier) -> str:
    """The scheme's name for people."""
    return next(
        (scheme.title for scheme in SCHEMES if scheme.name == identifier.scheme), identifier.scheme
    )
