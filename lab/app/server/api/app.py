"""The application of FastAPI that answers below `/api` what no other route of ours does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from lab import __version__
from lab.access.asker import Scope
from lab.app.server.access import OurMount
from lab.app.server.api.annotations import router as annotations_router
from lab.app.server.api.errors import RESPONSES, Problem, install_errors
from lab.app.server.api.exports import router as exports_router
from lab.app.server.api.feeds import router as feeds_router
from lab.app.server.api.jobs import router as jobs_router
from lab.app.server.api.media import router as media_router
from lab.app.server.api.route import wanted_by
from lab.app.server.api.rules import router as rules_router
from lab.app.server.api.run_log import router as log_router
from lab.app.server.api.runs import router as runs_router
from lab.app.server.api.sightings import router as sightings_router
from lab.app.server.problem import problem
from lab.app.server.state import AppState

PATH = "/api"
_ROUTERS: tuple[APIRouter, ...] = (
    media_router, runs_router, log_router, sightings_router, rules_router, annotations_router,
    exports_router, feeds_router, jobs_router,
)  # fmt: skip
_ABOUT = """
What pages and the command line do, for programs. Send a token (`lab token add NAME --scope read`,
or `analyse`, or `admin`) as `Authorization: Bearer TOKEN`.

Lists come page by page: give `next_cursor` of one page as `cursor` for the next. What is added
meanwhile moves nothing. Every error is `application/problem+json`. Times that end in `_s` are
seconds of media time, in `_us` whole microseconds of it; those in `_utc` are ISO 8601.
"""


def api_mount(here: AppState, others: Sequence[BaseRoute] = ()) -> OurMount:
    """Where the app has it: behind all other routes below `/api`, which are `others`."""
    return OurMount(PATH, api_app(here, others), wants="read")


def api_app(here: AppState | None = None, others: Sequence[BaseRoute] = ()) -> FastAPI:
    """here: None for its document alone. Raises ValueError for a route that says no scope."""
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        title="Sighting Lab",
        description=_ABOUT,
        version=__version__,
        responses=RESPONSES,
        separate_input_output_schemas=False,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    app.state.here = here
    install_errors(app)
    for one in _ROUTERS:
        app.include_router(one)
    for route in routes_of(app):
        if scope_of(route) is None:
            raise ValueError(f"{route.path} says no scope; give it Depends(needs(...))")
    app.router.default = _no_such_route
    app.add_exception_handler(405, _wrong_method(app, others))
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
    tags = dict.fromkeys(tag for router in _ROUTERS for tag in router.tags)
    return {"info": found["info"], "paths": paths, "schemas": schemas, "tags": list(tags)}


async def _no_such_route(scope: Any, receive: Any, send: Any) -> None:
    raise HTTPException(405)  # unless there is none of any method


def _wrong_method(app: FastAPI, others: Sequence[BaseRoute]) -> Any:
    """What answers where no route takes the method: those that routes of the address take."""

    async def answer(request: Request, error: Exception) -> Response:
        scope, outside = request.scope, _outside(request.scope)
        methods: set[str] = set()
        for routes, seen in ((routes_of(app), scope), (others, outside)):
            for one in routes:
                if isinstance(one, Route) and one.matches(seen)[0] is not Match.NONE:
                    methods |= one.methods or set()
        if not methods:
            return problem(404, "the API has no such address; see /api/docs")
        allowed = ", ".join(sorted(methods))
        return problem(405, f"this address takes {allowed}", {"Allow": allowed})

    return answer


def _outside(scope: Any) -> Any:
    """As it came to the routes beside the mount."""
    return {**scope, "root_path": scope.get("app_root_path", "")}
