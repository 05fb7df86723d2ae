"""From a TOML file, the environment and flags to a checked ``NetworkFile``.

Rules: a flag beats the environment, which beats the file; where each value came from is kept for
``wuhan config show``. Errors name the file, the key and the reason, one line each.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from resolver.model.errors import ConfigError
from resolver.topology.nearest import did_you_mean
from resolver.topology.schema import NetworkFile

PRESETS: Final = ("wuhan", "minimal")
"""Networks that come with the program; ``--config`` takes their names."""

ENVIRONMENT: Final = "WUHAN_"
COMMAND_LINE: Final = "command line"
SECTIONS: Final = (
    "network", "cache", "limits", "quotas", "admission", "control", "log", "traces",
)  # fmt: skip
"""Those whose keys the environment and flags can set."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network file as it takes effect.

    Attributes:
        source: the file, for messages.
        origins: ``section.key`` → where its value came from, for all but defaults.
    """

    file: NetworkFile
    source: str
    origins: Mapping[str, str] = field(default_factory=dict)


def load_network(
    source: str,
    *,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """The network file ``source``: a path, or the name of a preset.

    Args:
        overrides: ``section.key`` → value, from flags.
        environ: the environment; ``WUHAN_CACHE_TTL_CAP`` sets ``cache.ttl_cap``.

    Raises:
        ConfigError: it cannot be read or is not valid; the text has a line for each reason.
    """
    octets = read_source(source)
    try:
        content: dict[str, Any] = tomllib.loads(octets.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source}: not UTF-8 at octet {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: {error}") from None
    origins = {
        f"{section}.{key}": source
        for section in SECTIONS
        if isinstance(content.get(section), dict)
        for key in content[section]
    }
    given = dict(_from_environment(os.environ if environ is None else environ))
    for key, (value, variable) in given.items():
        _set(content, key, value)
        origins[key] = variable
    for key, value in (overrides or {}).items():
        _set(content, key, value)
        origins[key] = COMMAND_LINE
    try:
        return Loaded(NetworkFile.model_validate(content), source, origins)
    except ValidationError as error:
        raise ConfigError("\n".join(_explained(error, source, origins))) from None


def read_source(source: str) -> bytes:
    """What stands in a network file, or in that of a preset.

    Raises:
        ConfigError: it cannot be read.
    """
    path: Path | Traversable = Path(source)
    if source in PRESETS:
        path = files("resolver") / "presets" / f"{source}.toml"
        if not path.is_file():
            # In a checkout, where the presets stand beside the package.
            path = Path(__file__).parents[2] / "config" / f"{source}.toml"
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{source}: cannot be read ({error.strerror}); name a TOML file, or one of the "
            f"networks that come with wuhan: {', '.join(PRESETS)}"
        ) from None


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[object, str]]]:
    known = {}
    for section in SECTIONS:
        model = NetworkFile.model_fields[section].annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        for key in model.model_fields:
            known[f"{ENVIRONMENT}{section}_{key}".upper()] = f"{section}.{key}"
    ours = tuple(f"{ENVIRONMENT}{section}_".upper() for section in SECTIONS)
    for variable, text in sorted(environ.items()):
        if variable in known:
            yield known[variable], (_value(text), variable)
        elif variable.startswith(ours):
            raise ConfigError(
                f"environment: {variable}: there is no such setting{did_you_mean(variable, known)}"
            )


def _value(text: str) -> object:
    """A variable's text as TOML would have it: a number, a list, or else text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _set(content: dict[str, Any], key: str, value: object) -> None:
    section, _, name = key.partition(".")
    table = content.setdefault(section, {})
    if isinstance(table, dict):
        table[name] = value


def _explained(error: ValidationError, source: str, origins: Mapping[str, str]) -> Iterator[str]:
    """One line for each thing that is wrong: where it was said, the key, the reason."""
    for detail in error.errors(include_url=False):
        key = _where(detail["loc"])
        yield f"{origins.get(key, source)}: {key}: {_reason(detail)}"


def _where(location: tuple[int | str, ...]) -> str:
    """``secondary[3].prefix``."""
    text = ""
    for part in location:
        if part != "[key]":
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


_SHAPES: Final = {
    "int_type": "a whole number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}


def _reason(error: ErrorDetails) -> str:
    kind, given = error["type"], error["input"]
    limits = error.get("ctx", {})
    if kind in _SHAPES:
        return f"{given!r} is not {_SHAPES[kind]}"
    match kind:
        case "extra_forbidden":
            return f"there is no such key{did_you_mean(str(error['loc'][-1]), _known_keys())}"
        case "missing":
            return "this key is missing"
        case "literal_error":
            choices = limits["expected"]
            return (
                f"{given!r} is none of {choices}{did_you_mean(str(given), choices.split(chr(39)))}"
            )
        case "greater_than_equal":
            return f"{given!r} is too small, at least {limits['ge']} is needed"
        case "greater_than":
            return f"{given!r} is too small, it must be more than {limits['gt']:g}"
        case "less_than_equal":
            return f"{given!r} is too large, at most {limits['le']} is possible"
        case "too_short":
            return "the list is empty"
    return error["msg"].removeprefix("Value error, ")


def _known_keys() -> list[str]:
    schema = NetworkFile.model_json_schema()
    definitions = schema["$defs"].values()
    return sorted({*schema["properties"], *(k for d in definitions for k in d["properties"])})
