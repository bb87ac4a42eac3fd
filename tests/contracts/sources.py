"""How the contract suite makes each source, by name."""

from dataclasses import replace
from unittest.mock import patch

from lab.video.registered import open_source
from lab.video.source import Source
from lab.video.sources.file import FileSource
from lab.video.sources.recording import keep_recorded_media
from lab.video.sources.remote import RemoteSource
from tests.builders import ListSource, make_frame
from tests.recordings import record


def _listed(clip) -> Source:
    return ListSource([make_frame(i, i * 33_333) for i in range(120)])


# A clip of 4 s at 30 frames a second, in each of the ways in which it can be read.
SOURCES = {
    "file": lambda encode: FileSource(encode("contract.mp4", *X264, source=CLIP)),
    "file, in line": lambda encode: _in_line(encode("contract.mp4", *X264, source=CLIP)),
    "gs": lambda encode: _stored("gs", encode),
    "list": _listed,
    "recording": lambda encode: _recorded(encode("contract.mp4", *X264, source=CLIP)),
    "s3": lambda encode: _stored("s3", encode),
}
CLIP = "testsrc2=size=64x48:rate=30:duration=4"
X264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "30", "-bf", "2")


def _recorded(clip) -> Source:
    folder = clip.parent / "contract-recording"
    if not folder.exists():
        record(folder, clip)
        media = FileSource(clip).media()
        keep_recorded_media(folder, replace(media, first_pts_us=0))
    return open_source(folder)


def _in_line(path) -> Source:
    source = FileSource(path)
    source.index.distrust_times()
    return source


class InMemory(RemoteSource):
    """An object store that is fsspec's memory."""

    def __init__(self, url):
        with patch("lab.video.remote_store.file_system", in_memory):
            super().__init__(url)


def in_memory(url, error=None):
    import fsspec

    return fsspec.filesystem("memory"), "/" + url.partition("://")[2]


def _stored(kind, encode) -> Source:
    clip = encode("contract.mp4", *X264, source=CLIP)
    in_memory("")[0].pipe(f"/bucket/{kind}.mp4", clip.read_bytes())
    return InMemory(f"{kind}://bucket/{kind}.mp4")
