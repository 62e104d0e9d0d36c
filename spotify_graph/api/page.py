"""The page that describes the service and lets one try it: plain HTML that needs no script and no other server."""

from collections.abc import Mapping
from html import escape
from typing import Any

HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"}
"""What browsers are told: to load nothing for it, from anywhere."""
DRAWN_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline';"
    " img-src data: blob:; font-src data:",
    "Cache-Control": "no-store",
}
"""The same for a page that draws, whose script is in it."""

_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, input, select { font-family: ui-monospace, monospace; }
section { border-top: 1px solid #8888; padding: .5rem 0 1rem; }
label { display: grid; grid-template-columns: 8rem 16rem 1fr; gap: 1rem; align-items: center; margin: .25rem 0; }
"""


def render(document: Mapping[str, Any]) -> str:
    """The page.

    Args:
        document: the service's description, as OpenAPI has it.
    """
    about = document["info"]
    title = escape(about["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>{title}</h1><p>{escape(about['description'])}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI {escape(document["openapi"])}).</p>'
        + "".join(_section(path, of["get"]) for path, of in document["paths"].items())
        + "</body></html>"
    )


def _section(path: str, operation: Mapping[str, Any]) -> str:
    statuses = "".join(
        f"<li><code>{escape(status)}</code> {escape(response['description'])}</li>"
        for status, response in operation["responses"].items()
    )
    asked = [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
    return (
        f"<section><h2><code>GET {escape(path)}</code></h2><p>{escape(operation['description'])}</p>"
        f'<form action="{escape(path.removeprefix("/"))}">'
        + "".join(map(_field, sorted(asked, key=lambda it: not it.get("required", False))))
        + f"<button>Ask</button></form><details><summary>Answers</summary><ul>{statuses}</ul></details></section>"
    )


def _field(parameter: Mapping[str, Any]) -> str:
    name, schema = escape(parameter["name"]), parameter["schema"]
    needed = " required" if parameter.get("required") else ""
    if choices := schema.get("enum"):
        field = f'<select name="{name}">{"".join(f"<option>{escape(it)}</option>" for it in choices)}</select>'
    elif schema.get("type") == "boolean":
        field = f'<select name="{name}"><option value="">false</option><option>true</option></select>'
    else:
        field = f'<input name="{name}" placeholder="{escape(str(schema.get("default") or ""))}"{needed}>'
    return f"<label><code>{name}</code>{field}<span>{escape(parameter.get('description', ''))}</span></label>"
