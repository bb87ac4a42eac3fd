// What a feed sends over its WebSocket: pictures, and what is new of it.
const VERSION = 1;
const HEADER_BYTES = 36;
const AGAIN_MS = 1500;

// A picture of a message: its number, media time, Unix seconds of its arrival, size, and JPEG; null
// for another version.
export function pictureOf(buffer) {
  const header = new DataView(buffer);
  if (buffer.byteLength < HEADER_BYTES || header.getUint32(0, true) !== VERSION) return null;
  return {
    number: Number(header.getBigUint64(4, true)),
    pts_us: Number(header.getBigInt64(12, true)),
    wall_time: header.getFloat64(20, true),
    width: header.getUint32(28, true),
    height: header.getUint32(32, true),
    jpeg: new Uint8Array(buffer, HEADER_BYTES),
  };
}

// Events: "picture", "status", "events" and "samples", each with what came as detail.
export class LiveFeed extends EventTarget {
  constructor() {
    super();
    this.feed = null;
    this.arePicturesOn = true;
  }

  // Listen to a feed, or to none.
  open(feed) {
    if (feed === this.feed) return;
    this.feed = feed;
    this.connect();
  }

  // Again until the feed is closed: the app may have been away.
  connect() {
    clearTimeout(this.again);
    this.socket?.close();
    this.socket = null;
    if (!this.feed) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/live/${this.feed}`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.take(data);
    socket.onopen = () => this.sayPictures();
    socket.onclose = () => {
      if (socket === this.socket) this.again = setTimeout(() => this.connect(), AGAIN_MS);
    };
    this.socket = socket;
  }

  // Whether pictures are wanted; what else is new comes all the same.
  setPictures(areOn) {
    if (areOn === this.arePicturesOn) return;
    this.arePicturesOn = areOn;
    this.sayPictures();
  }

  sayPictures() {
    const isOpen = this.socket?.readyState === 1;
    if (isOpen) this.socket.send(JSON.stringify({ pictures: this.arePicturesOn }));
  }

  take(data) {
    if (typeof data !== "string") {
      const picture = pictureOf(data);
      if (picture) this.tell("picture", picture);
      return;
    }
    const { status, events, samples, run_id, is_logged } = JSON.parse(data);
    if (status) this.tell("status", status);
    if (events) this.tell("events", events);
    if (samples) this.tell("samples", { samples, run_id, is_logged });
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
