"""Documents as pages: for people who look at the API where nothing more beautiful is installed."""

import json

from jinja2 import DictLoader, Environment
from starlette.responses import HTMLResponse, JSONResponse

_TEMPLATE = """\
{%- macro show(value) -%}
{%- if value is mapping -%}
<dl>{% for name, each in value.items() %}<dt>{{ name }}</dt><dd>
{%- if name == "href" %}<a href="{{ each }}">{{ each }}</a>{% else %}{{ show(each) }}{% endif -%}
</dd>{% endfor %}</dl>
{%- elif value is iterable and value is not string -%}
<ol>{% for each in value %}<li>{{ show(each) }}</li>{% endfor %}</ol>
{%- else -%}
{{ value }}
{%- endif -%}
{%- endmacro -%}
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>
{{- title -}}
</title></head>
<body><main><h1>{{ title }}</h1>{{ show(document) }}</main></body>
</html>
"""
_PAGE = Environment(loader=DictLoader({"page": _TEMPLATE}), autoescape=True).get_template("page")


def page_of(answer: JSONResponse) -> HTMLResponse:
    """Return an answer in JSON as a page, with its status and headers."""
    document = json.loads(bytes(answer.body))
    names = ("title", "id", "jobID")
    title = next((document[n] for n in names if isinstance(document, dict) and n in document), "")
    page = HTMLResponse(
        _PAGE.render(title=title or "OGC API - Processes", document=document), answer.status_code
    )
    for name, value in answer.headers.items():
        if name not in ("content-type", "content-length"):
            page.headers[name] = value
    return page
