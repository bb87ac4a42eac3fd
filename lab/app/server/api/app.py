"""The application of FastAPI that answers below `/api` what no other route of ours does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import BaseRoute, Match, Route

from lab import __version__
from lab.access.asker import Scope
from lab.app.server.access import OurMount
from lab.app.server.api import (
    annotations,
    exports,
    feeds,
    jobs,
    media,
    rules,
    run_log,
    runs,
    sightings,
)
from lab.app.server.api.errors import RESPONSES, Problem, install_errors
from lab.app.server.api.route import StrictRoute, wanted_by
from lab.app.server.api.shared import READS
from lab.app.server.state import AppState

PATH = "/api"
_FILES = "/docs/files"
_ROUTERS = (media, runs, run_log, sightings, rules, annotations, exports, feeds, jobs)
_ABOUT = """
What pages and the command line do, for programs. Send a token (`lab token add NAME --scope read`,
or `analyse`, or `admin`) as `Authorization: Bearer TOKEN`.

Lists come page by page: give `next_cursor` of one page as `cursor` for the next. What is added
meanwhile moves nothing. Every error is `application/problem+json`. Times that end in `_s` are
seconds of media time, in `_us` whole microseconds of it; those in `_utc` are ISO 8601.
"""
_meta = APIRouter(tags=["service"], route_class=StrictRoute)


@_meta.get("/docs", dependencies=READS, include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """The documentation, with nothing from elsewhere."""
    token = request.query_params.get("token")
    query = f"?{urlencode({'token': token})}" if token else ""
    return get_swagger_ui_html(
        openapi_url=f"{PATH}/openapi.json{query}",
        title="API of Sighting Lab",
        swagger_js_url=f"{PATH}{_FILES}/swagger-ui-bundle.js{query}",
        swagger_css_url=f"{PATH}{_FILES}/swagger-ui.css{query}",
        swagger_favicon_url=f"{PATH}{_FILES}/favicon.png{query}",
        swagger_ui_parameters={"docExpansion": "none", "validatorUrl": None},
    )


def api_mount(here: AppState, others: Sequence[BaseRoute] = ()) -> OurMount:
    """Where the app has it: behind all other routes below `/api`, which are `others`."""
    return OurMount(PATH, api_app(here, others), wants="read")


def api_app(here: AppState | None = None, others: Sequence[BaseRoute] = ()) -> FastAPI:
    """here: None for its document alone. Raises ValueError for a route that says no scope."""
    app = FastAPIOffline(
        docs_url=None,
        redoc_url=None,
        static_url=_FILES,
        title="Sighting Lab",
        description=_ABOUT,
        version=__version__,
        responses=RESPONSES,
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    app.router.routes = [one for one in app.router.routes if getattr(one, "name", "") != "openapi"]
    app.state.here = here
    install_errors(app)
    app.include_router(_meta)
    for one in _ROUTERS:
        app.include_router(one.router)
    for route in routes_of(app):
        if scope_of(route) is None:
            raise ValueError(f"{route.path} says no scope; give it Depends(needs(...))")
    app.router.default = _no_such_route(others)
    return app


def routes_of(app: FastAPI) -> Iterator[APIRoute]:
    """Its routes, those of the routers that it includes among them."""
    left: list[BaseRoute] = list(app.routes)
    while left:
        one = left.pop(0)
        if isinstance(one, APIRoute):
            yield one
        left += getattr(getattr(one, "original_router", None), "routes", ())


def scope_of(route: APIRoute) -> Scope | None:
    """What a route of the API wants."""
    return wanted_by(route.dependant)


def document_of_api() -> dict[str, Any]:
    """Its part of the OpenAPI document: paths below `/api`, and the schemas that they name."""
    found: dict[str, Any] = api_app().openapi()
    schemas = found["components"]["schemas"]
    schemas["Problem"] = Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    paths = {f"{PATH}{path}": methods for path, methods in found["paths"].items()}
    return {"info": found["info"], "paths": paths, "schemas": schemas}


def _no_such_route(others: Sequence[BaseRoute]) -> Any:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        for one in others:
            if isinstance(one, Route) and one.matches(_outside(scope))[0] is Match.PARTIAL:
                allowed = ", ".join(sorted(one.methods or ()))
                raise HTTPException(405, f"this address takes {allowed}", {"Allow": allowed})
        raise HTTPException(404, "the API has no such address; see /api/docs")

    return answer


def _outside(scope: Any) -> Any:
    """As it came to the routes beside the mount."""
    return {**scope, "root_path": scope.get("app_root_path", "")}
