"""The kinds of live sources that are built in."""

from __future__ import annotations

from lab.registry import Registry

BUILT_IN = {
    "camera": "lab.video.live.captures.camera:CameraCapture",
    "device": "lab.video.live.captures.device:DeviceCapture",
    "file": "lab.video.live.captures.file:FileCapture",
    "images": "lab.video.live.captures.images:ImagesCapture",
    "rtmp": "lab.video.live.captures.rtmp:RtmpCapture",
    "segments": "lab.video.live.captures.segments:SegmentsCapture",
    "stream": "lab.video.live.captures.stream:StreamCapture",
    "webcam": "lab.video.live.captures.webcam:WebcamCapture",
    "youtube": "lab.video.live.captures.youtube:YouTubeCapture",
}
captures = Registry("live source", "lab.captures", BUILT_IN)
