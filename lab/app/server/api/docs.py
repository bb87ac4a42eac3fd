"""The documentation as one page that asks for nothing else: neither elsewhere, nor here again,
where a token in its address would not go with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import fastapi_offline

_FILES = Path(fastapi_offline.__file__).parent / "static"
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>API of Sighting Lab</title>
<link rel="icon" href="data:,"><style>{style}</style></head><body><div id="swagger-ui"></div>
<script>{script}</script><script>
SwaggerUIBundle({{spec: {document}, dom_id: "#swagger-ui", deepLinking: true,
  docExpansion: "none", validatorUrl: null, presets: [SwaggerUIBundle.presets.apis]}});
</script></body></html>"""


def docs_page(document: Mapping[str, Any]) -> str:
    """The page for an OpenAPI document."""
    style, script = _assets()
    text = json.dumps(document).replace("<", "\\u003c")
    return _PAGE.format(style=style, script=script, document=text)


@cache
def _assets() -> tuple[str, str]:
    style = (_FILES / "swagger-ui.css").read_text(encoding="utf-8")
    script = (_FILES / "swagger-ui-bundle.js").read_text(encoding="utf-8")
    return style.replace("</style", "<\\/style"), script.replace("</script", "<\\/script")
