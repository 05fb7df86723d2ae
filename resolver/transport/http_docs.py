"""The description of the HTTP API: ``/api/openapi.json``, and ``/api/docs``, a page for people.

Rules: everything on the page is taken from ``openapi.json``, so the two cannot differ. It has no
script and loads nothing from anywhere; what folds is a ``details`` element.
"""

import html
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from aiohttp import web

from resolver.transport.http_responses import (
    html_response,
    json_bytes_response,
    preflight,
    unknown_method,
)
from resolver.transport.openapi import description

_LAYOUT: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>
:root {{ --back: #fff; --text: #1b1f24; --dim: #667; --line: #d5d9df; --soft: #f4f6f8;
  --link: #0b62c4; --get: #1a7f4b; --write: #a8580a; --end: #b3261e }}
@media (prefers-color-scheme: dark) {{ :root {{ --back: #14171b; --text: #e2e6ea; --dim: #98a2ad;
  --line: #343b43; --soft: #1e2328; --link: #7fb4ff; --get: #63c995; --write: #e0a45c;
  --end: #f0837a }} }}
body {{ font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back);
  margin: 2rem auto; max-width: 62rem; padding: 0 1rem }}
a {{ color: var(--link) }} code, pre {{ font: 13px/1.45 ui-monospace, monospace }}
h2 {{ margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line) }} h4 {{ margin: .8rem 0 .2rem }}
details {{ border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0 }}
details > div {{ padding: 0 .8rem .8rem }} details:target {{ border-color: var(--link) }}
summary {{ cursor: pointer; padding: .35rem .8rem; background: var(--soft); border-radius: 6px }}
summary b {{ display: inline-block; width: 4.2rem; font: 600 12px ui-monospace, monospace }}
summary span {{ color: var(--dim); margin-left: .6rem }}
.get, .head {{ color: var(--get) }} .post, .put {{ color: var(--write) }} .delete {{
  color: var(--end) }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere }}
th {{ color: var(--dim); font-weight: 500 }} td:first-child {{ white-space: nowrap }}
pre {{ background: var(--soft); padding: .6rem .8rem; overflow-x: auto; border-radius: 6px }}
.dim {{ color: var(--dim) }}
</style></head><body>
<h1>{title}</h1>
{content}
</body></html>
"""

_CODE: Final = re.compile("`([^`]+)`")
_METHODS: Final = ("get", "head", "post", "put", "delete")


def add_description_routes(app: web.Application) -> None:
    """Add the routes of this module to a node's application."""
    app.router.add_route(
        "*", "/api/openapi.json", _reading(lambda: json_bytes_response(description()))
    )
    app.router.add_route("*", "/api/docs", _reading(lambda: html_response(page_of_api(), 200)))


def _reading(shown: Callable[[], web.Response]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler of what can only be read."""

    async def handler(request: web.Request) -> web.Response:
        if request.method == "OPTIONS":
            return preflight(request)
        return shown() if request.method in ("GET", "HEAD") else unknown_method(request)

    return handler


@cache
def page_of_api() -> str:
    """The page."""
    document: dict[str, Any] = json.loads(description())
    info = document["info"]
    content = [
        f"<p>{_prose(info['summary'])}</p><p>{_prose(info['description'])}</p>",
        f'<p class="dim">version {_text(info["version"])} · <a href="/api/openapi.json">'
        f"openapi.json</a> (OpenAPI {_text(document['openapi'])}) · {_contents(document)}</p>",
    ]
    for tag in document["tags"]:
        name = tag["name"]
        content.append(f'<h2 id="{_text(name)}">{_text(name)}</h2><p>{_prose(tag["description"])}')
        content.extend(
            _operation(path, method, whole, operation, document)
            for path, method, whole, operation in _operations(document)
            if name in operation["tags"]
        )
    content.append('<h2 id="schemas">schemas</h2>')
    for name, schema in document["components"]["schemas"].items():
        content.append(_schema(name, schema))
    return _LAYOUT.format(title=_text(info["title"]), content="\n".join(content))


def _contents(document: Mapping[str, Any]) -> str:
    names = [*(tag["name"] for tag in document["tags"]), "schemas"]
    return " · ".join(f'<a href="#{_text(name)}">{_text(name)}</a>' for name in names)


def _operations(
    document: Mapping[str, Any],
) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    """Path, method, what all methods of the path share, and the operation."""
    for path, whole in document["paths"].items():
        for method in _METHODS:
            if method in whole:
                yield path, method, whole, whole[method]


def _operation(
    path: str,
    method: str,
    whole: Mapping[str, Any],
    operation: Mapping[str, Any],
    document: Mapping[str, Any],
) -> str:
    parts = [f"<p>{_prose(operation['description'])}</p>"] if "description" in operation else []
    parameters = [
        _resolved(parameter, document)
        for parameter in (*whole.get("parameters", ()), *operation.get("parameters", ()))
    ]
    if parameters:
        rows = (
            (
                f"<code>{_text(one['name'])}</code>",
                f"{_text(one['in'])}{', required' if one.get('required') else ''}",
                _type(one["schema"]),
                _prose(one.get("description", "")),
            )
            for one in parameters
        )
        parts.append(f"<h4>Parameters</h4>{_table(rows)}")
    if operation.get("security"):
        ways = [
            " and ".join(map(_text, way)) or "nobody in particular" for way in operation["security"]
        ]
        parts.append(f"<h4>Who asks</h4><p>{', or '.join(ways)}</p>")
    if "requestBody" in operation:
        parts.append(f"<h4>Body</h4>{_content(operation['requestBody']['content'])}")
    parts.append("<h4>Answers</h4>")
    answers, examples = [], []
    for status, response in operation["responses"].items():
        answer = _resolved(response, document)
        types = answer.get("content", {})
        shown = "<br>".join(
            f"{_text(kind)} {_type(content['schema'])}" for kind, content in types.items()
        )
        headers = ", ".join(f"<code>{_text(name)}</code>" for name in answer.get("headers", ()))
        answers.append((status, _prose(answer["description"]), shown, headers))
        examples += [example for content in types.values() for example in _examples(content)]
    parts.append(_table(answers))
    parts += [_example(example) for example in examples]
    summary = (
        f'<b class="{method}">{method.upper()}</b> <code>{_text(path)}</code>'
        f"<span>{_prose(operation['summary'])}</span>"
    )
    return _folded(operation["operationId"], summary, "".join(parts))


def _content(content: Mapping[str, Any]) -> str:
    rows = ((_text(kind), _type(about["schema"])) for kind, about in content.items())
    examples = [example for about in content.values() for example in _examples(about)]
    return _table(rows) + "".join(map(_example, examples))


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    parts = [f"<p>{_prose(schema['description'])}</p>"] if "description" in schema else []
    properties = schema.get("properties")
    if properties:
        required = schema.get("required", ())
        rows = (
            (
                f"<code>{_text(field)}</code>",
                "required" if field in required else "",
                _type(about),
                _prose(about.get("description", "")),
            )
            for field, about in properties.items()
        )
        parts.append(_table(rows))
    else:
        parts.append(f"<p>{_type(schema)}</p>")
    return _folded(f"schema-{name}", f"<code>{_text(name)}</code>", "".join(parts))


def _type(schema: Mapping[str, Any]) -> str:
    """What a schema takes, in a few words."""
    if "$ref" in schema:
        name = _text(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return " or ".join(map(_type, schema[choice]))
    if "const" in schema:
        return f"<code>{_text(json.dumps(schema['const']))}</code>"
    if "enum" in schema:
        return " ".join(f"<code>{_text(str(one))}</code>" for one in schema["enum"])
    if "properties" in schema:
        fields = (f"{_text(name)}: {_type(about)}" for name, about in schema["properties"].items())
        return f"{{{', '.join(fields)}}}"
    kinds = schema.get("type", "anything")
    told = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    if "items" in schema:
        told = f"{told} of {_type(schema['items'])}"
    notes = [str(schema[key]) for key in ("contentEncoding", "format") if key in schema]
    if "pattern" in schema:
        notes.append(f"like {schema['pattern']}")
    if "default" in schema:
        notes.append(f"default {json.dumps(schema['default'])}")
    return f"{told} ({_text(', '.join(notes))})" if notes else told


def _examples(content: Mapping[str, Any]) -> Iterator[Any]:
    if "example" in content:
        yield content["example"]
    for example in content.get("examples", {}).values():
        yield example["value"]


def _example(example: Any) -> str:
    return f"<pre>{_text(json.dumps(example, ensure_ascii=False, indent=2))}</pre>"


def _resolved(part: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of the document, or the one that it refers to."""
    if "$ref" not in part:
        return part
    found: Any = document
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    resolved: Mapping[str, Any] = found
    return resolved


def _folded(name: str, summary: str, content: str) -> str:
    return f'<details id="{_text(name)}"><summary>{summary}</summary><div>{content}</div></details>'


def _table(rows: Any) -> str:
    cells = ("".join(f"<td>{cell}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def _text(text: str) -> str:
    return html.escape(text)


def _prose(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", _text(text))
