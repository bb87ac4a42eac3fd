"""A player that hangs without ending, as on a disk that does not answer."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager, suppress

import psutil
import pytest

from lab.app.server.camera.camera import Camera
from lab.video.camera.settings import CameraSettings, Limits

SOON_S = 60
pytestmark = pytest.mark.skipif(os.name != "posix", reason="stops a process by a signal")


@pytest.fixture
def clip(encode):
    """Pictures so large that few of them wait between the player and the camera."""
    noisy = ("-vf", "noise=alls=80:allf=t", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "5")
    source = "testsrc2=size=640x360:rate=30:duration=1"
    return encode("noisy.mp4", *noisy, "-preset", "ultrafast", source=source)


async def until(condition, what):
    with suppress(TimeoutError):
        async with asyncio.timeout(SOON_S):
            while not condition():
                await asyncio.sleep(0.02)
    assert condition(), f"never: {what}"


@asynccontextmanager
async def stopped(clip, silent_s):
    """A camera whose player is stopped once a picture has left."""
    settings = CameraSettings(name="gate", video=str(clip), jpeg_quality=100)
    camera = Camera(settings, clip, Limits(), silent_s=silent_s)
    before = set(psutil.Process().children())
    await camera.open()
    running = asyncio.create_task(camera.run())
    try:
        await until(lambda: camera.last is not None, "a picture leaves")
        assert camera.health()["status"] == "ok"
        (player,) = set(psutil.Process().children()) - before
        os.kill(player.pid, signal.SIGSTOP)
        yield camera
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await camera.close()


@pytest.mark.long
def test_a_player_that_hangs_is_said_and_started_again(clip):
    async def ask():
        async with stopped(clip, silent_s=1.0) as camera:
            await until(lambda: camera.health()["status"] == "failing", "it says that it fails")
            assert "its player ended, or gave nothing" in camera.health()["reason"]
            before = camera.last
            await until(lambda: camera.health()["status"] == "ok", "it plays again")
            assert camera.restarts >= 1
            passed_s = camera.last.timestamp - before.timestamp
            assert camera.last.frame_id - before.frame_id == pytest.approx(passed_s * 30, abs=2)

    asyncio.run(ask())


@pytest.mark.long
def test_health_fails_as_soon_as_a_picture_is_overdue(clip):
    async def ask():
        async with stopped(clip, silent_s=600.0) as camera:
            await until(lambda: camera.health()["status"] == "failing", "it says that it fails")
            assert "a picture is due since" in camera.health()["reason"]
            assert camera.restarts == 0

    asyncio.run(ask())
