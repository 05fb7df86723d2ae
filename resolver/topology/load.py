"""From a TOML file, the environment and flags to a checked ``NetworkFile``.

Rules: a flag beats the environment, which beats the file; where each value came from is kept for
``wuhan config show``. Errors name the file, the key and the reason, one line each.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from resolver.model.errors import ConfigError
from resolver.topology.schema import NetworkFile

PRESETS: Final = ("wuhan", "minimal")
"""Networks that come with the program; ``--config`` takes their names."""

ENVIRONMENT: Final = "WUHAN_"
_OVERRIDABLE: Final = ("network", "cache", "limits")


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
    name, octets = _read(source)
    try:
        content: dict[str, Any] = tomllib.loads(octets.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not UTF-8 at octet {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}") from None
    origins = {
        f"{section}.{key}": name
        for section in _OVERRIDABLE
        if isinstance(content.get(section), dict)
        for key in content[section]
    }
    given = dict(_from_environment(os.environ if environ is None else environ))
    for key, (value, variable) in given.items():
        _set(content, key, value)
        origins[key] = variable
    for key, value in (overrides or {}).items():
        _set(content, key, value)
        origins[key] = "command line"
    try:
        return Loaded(NetworkFile.model_validate(content), name, origins)
    except ValidationError as error:
        reasons = [f"{name}: {_where(e['loc'])}: {_reason(e)}" for e in error.errors()]
        raise ConfigError("\n".join(reasons)) from None


def _read(source: str) -> tuple[str, bytes]:
    if source in PRESETS and not Path(source).exists():
        packaged = files("resolver") / "presets" / f"{source}.toml"
        if packaged.is_file():
            return f"{source}.toml", packaged.read_bytes()
        path = Path(__file__).parents[2] / "config" / f"{source}.toml"
    else:
        path = Path(source)
    try:
        return str(path), path.read_bytes()
    except OSError as error:
        known = ", ".join(PRESETS)
        raise ConfigError(
            f"{source}: cannot be read ({error.strerror}); "
            f"name a TOML file, or one of the networks that come with wuhan: {known}"
        ) from None


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[object, str]]]:
    for section in _OVERRIDABLE:
        model = NetworkFile.model_fields[section].annotation
        assert model is not None
        for key in model.model_fields:
            variable = f"{ENVIRONMENT}{section}_{key}".upper()
            text = environ.get(variable)
            if text is not None:
                yield f"{section}.{key}", (_value(text), variable)


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


def _where(location: tuple[int | str, ...]) -> str:
    """``secondary[3].prefix``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _reason(error: Any) -> str:
    kind, location = error["type"], error["loc"]
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(location[-1]), _known_keys(), n=1)
        return "there is no such key" + (f"; did you mean {near[0]}?" if near else "")
    if kind == "missing":
        return "this key is missing"
    if kind == "literal_error":
        near = difflib.get_close_matches(
            str(error["input"]), error["ctx"]["expected"].split("'"), n=1
        )
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{error['input']!r} is none of {error['ctx']['expected']}{hint}"
    text: str = error["msg"]
    return text.removeprefix("Value error, ")


def _known_keys() -> list[str]:
    schema = NetworkFile.model_json_schema()
    definitions = schema["$defs"].values()
    return sorted({*schema["properties"], *(k for d in definitions for k in d["properties"])})
