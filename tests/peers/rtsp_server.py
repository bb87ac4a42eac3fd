"""An RTSP server by GStreamer, run by the system's Python: rtsp_server.py PORT [USER PASSWORD].

PORT 0 is a free one; `port N` is printed. It ends when its standard input closes. A line there:

  clip PATH          serves the H.264 of an MP4 at /clip, from its beginning for each client
  made NAME SOURCE   serves what a GStreamer source makes at /NAME
  sound NAME         serves a sound alone at /NAME
  stall, flow        sends nothing any more, with the connections kept; goes on
  size W H           pictures of another size from now on, of all that are made
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
# A source must not hold the pipeline back while it is stalled: packets are thrown away.
PAY = "valve name=valve ! rtph264pay name=pay0 pt=96 config-interval=-1"
CLIP = '( filesrc location="{}" ! qtdemux ! h264parse ! ' + PAY + " )"
MADE = (
    "( {} ! videoconvert ! videoscale ! capsfilter name=size caps=video/x-raw,width=320,height=240 "
    "! openh264enc gop-size=10 ! h264parse ! " + PAY + " )"
)
SOUND = "( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 )"


class Server:
    def __init__(self, port, user=None, password=None):
        self.server = GstRtspServer.RTSPServer(address="127.0.0.1", service=port)
        self.token = None
        if user is not None:
            auth = GstRtspServer.RTSPAuth()
            self.token = GstRtspServer.RTSPToken()
            self.token.set_string("media.factory.role", "user")
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), self.token)
            self.server.set_auth(auth)
        self.pipelines = []
        self.server.attach(None)

    def add(self, name, launch, is_shared):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(is_shared)
        factory.connect("media-configure", lambda _, media: self.pipelines.append(media))
        if self.token is not None:
            rights = Gst.Structure.new_from_string(
                "user, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
            )
            factory.add_role_from_structure(rights)
        self.server.get_mount_points().add_factory(f"/{name}", factory)

    def each(self, name):
        found = (media.get_element().get_by_name(name) for media in self.pipelines)
        return [one for one in found if one is not None]

    def do(self, line):
        word, *rest = line.split(" ")
        if word == "clip":
            self.add("clip", CLIP.format(" ".join(rest)), False)
        elif word == "made":
            self.add(rest[0], MADE.format(" ".join(rest[1:])), True)
        elif word == "sound":
            self.add(rest[0], SOUND, True)
        elif word in ("stall", "flow"):
            for valve in self.each("valve"):
                valve.set_property("drop", word == "stall")
        elif word == "size":
            caps = Gst.Caps.from_string("video/x-raw,width={},height={}".format(*rest))
            for size in self.each("size"):
                size.set_property("caps", caps)
        print("done", flush=True)


def main():
    server, loop = Server(*sys.argv[1:]), GLib.MainLoop()
    print("port", server.server.get_bound_port(), flush=True)

    def obey():
        for line in sys.stdin:
            GLib.idle_add(server.do, line.strip())
        loop.quit()

    threading.Thread(target=obey, daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()
