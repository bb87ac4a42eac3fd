"""The routes of virtual cameras: those of the first one, and of each below its name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, HTTPException, Request, WebSocket
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi_offline import FastAPIOffline
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse

from lab import __version__
from lab.app.server.camera.access import DOCS_FILES, LET_IN
from lab.app.server.camera.camera import Camera
from lab.app.server.camera.clients import Client, Kind, PartsClient, SocketClient
from lab.app.server.camera.messages import BOUNDARY
from lab.app.server.camera.metrics import CONTENT_TYPE, metrics_text

Address = tuple[str, int]
Transports = MutableMapping[Address, asyncio.Transport]
_FULL = "this camera has as many clients as it may; try again later"
_log = logging.getLogger("lab.camera")
_ABOUT = """
Videos, played as cameras. Each frame leaves at its time on the video's own clock.

* **WebSocket `/ws/stream`**: a JSON text for each frame: `source`, `version`, `frame_id` (rises
  by 1 for each frame that is due, and never begins again), `timestamp` (Unix seconds at which it
  was due), `fps` (rounded), `image` (base64 JPEG), `pts_s` (time in the video), `loop_index`.
* **WebSocket `/ws/binary`**: the same as a binary message: a little-endian header (uint16 version
  1, uint16 length of the header, uint32 loop_index, uint64 frame_id, int64 time in the video in
  microseconds, float64 timestamp, uint32 width, uint32 height), then the JPEG.
* **`/mjpeg`**: `multipart/x-mixed-replace`, for browsers and players.

All of them are there for each camera below `/cameras/NAME/`. A client that is slow gets the newest
frames only; what it sends is ignored.
"""


def camera_app(cameras: Mapping[str, Camera], transports: Transports) -> FastAPI:
    """The routes. cameras: by name, the first one also without its name. transports: of all
    connections, by the address of the client.
    """
    app = FastAPIOffline(
        docs_url=None,
        redoc_url=None,
        static_url=DOCS_FILES,
        title="Sighting Lab: virtual cameras",
        description=_ABOUT,
        version=__version__,
    )
    routes = _Routes(cameras, transports)
    app.include_router(routes.of_all())
    app.include_router(routes.of_the_first())
    app.include_router(routes.by_name())
    return app


class _Routes:
    def __init__(self, cameras: Mapping[str, Camera], transports: Transports) -> None:
        self._cameras, self._transports = cameras, transports
        self._first = next(iter(cameras))

    def of_all(self) -> APIRouter:
        router = APIRouter(tags=["service"])

        @router.get("/", summary="What this is, and where its cameras are")
        async def about() -> dict[str, Any]:
            first = self._cameras[self._first]
            return {
                "service": first.settings.source,
                "version": first.settings.version,
                "program": f"Sighting Lab {__version__}",
                "endpoints": {
                    "stream": "/ws/stream",
                    "binary": "/ws/binary",
                    "mjpeg": "/mjpeg",
                    "health": "/health",
                    "metrics": "/metrics",
                    "docs": "/docs",
                },
                "cameras": {
                    name: {**one.facts(), "path": f"/cameras/{name}"}
                    for name, one in self._cameras.items()
                },
            }

        @router.get("/health", summary="Whether all cameras play; 503 if not")
        async def health(request: Request, response: Response) -> dict[str, Any]:
            found = {name: one.health() for name, one in self._cameras.items()}
            is_well = all(one["status"] == "ok" for one in found.values())
            response.status_code = 200 if is_well else 503
            status = {"status": "ok" if is_well else "failing"}
            return {**status, "cameras": found} if request.scope[LET_IN] else status

        @router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
        async def metrics() -> Response:
            return Response(metrics_text(self._cameras.values()), media_type=CONTENT_TYPE)

        @router.get("/docs", include_in_schema=False)
        async def docs(request: Request) -> HTMLResponse:
            token = request.query_params.get("token")
            query = f"?{urlencode({'token': token})}" if token else ""
            return get_swagger_ui_html(
                openapi_url=f"/openapi.json{query}",
                title="Virtual cameras",
                swagger_js_url=f"{DOCS_FILES}/swagger-ui-bundle.js",
                swagger_css_url=f"{DOCS_FILES}/swagger-ui.css",
                swagger_favicon_url=f"{DOCS_FILES}/favicon.png",
            )

        return router

    def of_the_first(self) -> APIRouter:
        router = APIRouter(tags=["the first camera"])

        @router.get("/mjpeg", summary="Pictures without end", response_class=StreamingResponse)
        async def mjpeg(request: Request) -> Response:
            return self._parts(request, self._first)

        @router.websocket("/ws/stream")
        async def stream(socket: WebSocket) -> None:
            await self._watch(socket, self._first, "text")

        @router.websocket("/ws/binary")
        async def binary(socket: WebSocket) -> None:
            await self._watch(socket, self._first, "binary")

        return router

    def by_name(self) -> APIRouter:
        router = APIRouter(prefix="/cameras/{name}", tags=["a camera by its name"])

        @router.get("", summary="What it plays")
        async def about(name: str) -> dict[str, Any]:
            return self._camera(name).facts()

        @router.get("/health", summary="Whether it plays; 503 if not")
        async def health(request: Request, name: str, response: Response) -> dict[str, Any]:
            found = self._camera(name).health()
            response.status_code = 200 if found["status"] == "ok" else 503
            return found if request.scope[LET_IN] else {"status": found["status"]}

        @router.get("/mjpeg", summary="Pictures without end", response_class=StreamingResponse)
        async def mjpeg(request: Request, name: str) -> Response:
            self._camera(name)
            return self._parts(request, name)

        @router.websocket("/ws/stream")
        async def stream(socket: WebSocket, name: str) -> None:
            await self._watch(socket, name, "text")

        @router.websocket("/ws/binary")
        async def binary(socket: WebSocket, name: str) -> None:
            await self._watch(socket, name, "binary")

        return router

    def _camera(self, name: str) -> Camera:
        if name not in self._cameras:
            raise HTTPException(
                404, f"no camera {name[:80]!r}; there are: {', '.join(self._cameras)}"
            )
        return self._cameras[name]

    async def _watch(self, socket: WebSocket, name: str, kind: Kind) -> None:
        camera, transport = self._cameras.get(name), self._transport(socket)
        if camera is None or transport is None:
            await socket.send_denial_response(PlainTextResponse("there is no such camera", 404))
            return
        if not camera.has_room:
            await socket.send_denial_response(_full())
            return
        client = SocketClient(transport, kind)
        await socket.accept()
        camera.join(client)
        _log.info("camera %s: %s watches (%s)", name, _who(socket), kind)
        try:
            while (await socket.receive())["type"] != "websocket.disconnect":
                pass  # clients have nothing to say
        finally:
            self._parted(camera, client, socket)

    def _parts(self, request: Request, name: str) -> Response:
        camera, transport = self._cameras[name], self._transport(request)
        if transport is None or not camera.has_room:
            return _full()
        client = PartsClient(transport)
        camera.join(client)
        _log.info("camera %s: %s watches (mjpeg)", name, _who(request))

        async def parts() -> AsyncIterator[bytes]:
            try:
                async for part in client.parts():
                    yield part
            finally:
                self._parted(camera, client, request)

        return StreamingResponse(
            parts(), media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}"
        )

    def _parted(self, camera: Camera, client: Client, connection: HTTPConnection) -> None:
        camera.leave(client)
        _log.info(
            "camera %s: %s left; sent %d, dropped %d",
            camera.settings.name,
            _who(connection),
            client.sent,
            client.dropped,
        )

    def _transport(self, connection: HTTPConnection) -> asyncio.Transport | None:
        address = connection.client
        return None if address is None else self._transports.get((address.host, address.port))


def _full() -> Response:
    return PlainTextResponse(_FULL, 503, {"Retry-After": "10"})


def _who(connection: HTTPConnection) -> str:
    address = connection.client
    return "somebody" if address is None else f"{address.host}:{address.port}"
