"""The pages a browser sees: one of the node, one of a record.

Rules: everything from outside is escaped.
"""

import html
from collections.abc import Mapping

from resolver.wire.values import ValueList

_LAYOUT = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 60rem }}
table {{ border-collapse: collapse }} td, th {{ text-align: left; padding: .3rem .8rem .3rem 0 }}
td {{ overflow-wrap: anywhere }} .note {{ color: #666 }}
@media (prefers-color-scheme: dark) {{
  body {{ background: #111; color: #ddd }} a {{ color: #8bf }}
}}
</style></head><body><h1>{title}</h1>
{content}
</body></html>
"""


def page_of_node(name: str, health: Mapping[str, object]) -> str:
    """Which node this is, and a form to look an identifier up."""
    facts = "".join(
        f"<tr><th>{_text(key)}</th><td>{_text(str(value))}</td></tr>"
        for key, value in health.items()
    )
    content = (
        f"<table>{facts}</table>"
        '<p class="note">Append an identifier to the address of this page to be sent to its URL, '
        "or read its record as JSON below <code>/api/handles/</code>.</p>"
        '<p><a href="/api/docs">API</a> · <a href="/api/site">site</a> · '
        '<a href="/api/prefixes">prefixes</a> · <a href="/metrics">metrics</a></p>'
    )
    return _LAYOUT.format(title=_text(f"Node {name}"), content=content)


def page_of_record(handle: str, values: ValueList | None, reason: str) -> str:
    """The values of a record that has no URL to go to, or why there are none."""
    if values is None:
        return _LAYOUT.format(title=_text(handle), content=f"<p>{_text(reason)}</p>")
    rows = "".join(
        f"<tr><td>{value.index}</td><td>{_text(value.type)}</td><td>{_text(value.text)}</td></tr>"
        for value in values
    )
    head = "<tr><th>index</th><th>type</th><th>data</th></tr>"
    return _LAYOUT.format(title=_text(handle), content=f"<table>{head}{rows}</table>")


def _text(text: str) -> str:
    return html.escape(text.encode("utf-8", "replace").decode())
