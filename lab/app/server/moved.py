"""Old addresses of pages lead to the new ones, so that bookmarks and sent links keep working."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

MOVED = {
    "source": "library",
    "run": "analyse",
    "tune": "review",
    "experiments": "notebook",
    "compare": "measure?step=proof",
}


def moved_pages() -> list[Route]:
    """A redirect for each old address; what the address asks for is kept."""

    async def lead_on(request: Request) -> Response:
        place, _, own = MOVED[request.url.path.strip("/").rsplit("/", 1)[-1]].partition("?")
        asked = "&".join(part for part in (own, request.url.query) if part)
        return RedirectResponse(f"{place}?{asked}" if asked else place, 308)

    return [Route(f"/{old}", lead_on) for old in MOVED]
