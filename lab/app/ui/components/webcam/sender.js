// Takes pictures of a video and sends them, newest first: none waits behind another.
const QUALITY = 0.85;
const TIME_BYTES = 8;
const AGAIN_MS = 2000;
const FINAL = {
  1008: "This page is not let in any more; reload it.",
  4404: "There is no such feed.",
};

export const REFUSALS = {
  NotAllowedError:
    "The browser does not let this page use the camera. " +
    "Allow it beside the address, then start again.",
  NotFoundError:
    "This computer has no camera that the browser knows of. Connect one and start again.",
  NotReadableError: "The camera is in use by another program. Close that and start again.",
  OverconstrainedError: "That camera is not there any more. Choose another one.",
  SecurityError:
    "Browsers give a camera only to pages at localhost or over https. " +
    "Open the app at such an address.",
};

export function refusal(name) {
  return REFUSALS[name] ?? `The camera cannot be used (${name}).`;
}

export class Sender {
  constructor(video, feedId, say) {
    Object.assign(this, { video, feedId, say, sent: 0, isBusy: false, isOver: false });
    this.canvas = document.createElement("canvas");
    this.connect();
  }

  // Pictures a second, and their largest height.
  set(fps, height) {
    this.height = height;
    if (this.fps === fps) return;
    this.fps = fps;
    clearInterval(this.timer);
    this.timer = setInterval(() => this.take(), 1000 / fps);
  }

  connect() {
    const address = new URL(`/ws/webcam/${encodeURIComponent(this.feedId)}`, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    this.socket = new WebSocket(address);
    this.say("Connecting …");
    this.socket.onmessage = (event) => this.hear(JSON.parse(event.data));
    this.socket.onclose = (event) => {
      if (this.isOver) return;
      this.say(FINAL[event.code] ?? "The app is not there; connecting again …", true);
      if (!(event.code in FINAL)) this.again = setTimeout(() => this.connect(), AGAIN_MS);
    };
  }

  hear(told) {
    if (told.is_sent) this.say("The feed sees this camera.");
    else this.say(told.reason, true);
  }

  close() {
    this.isOver = true;
    clearInterval(this.timer);
    clearTimeout(this.again);
    this.socket.close();
  }

  // One picture, unless the one before is still on its way.
  async take() {
    const isReady = this.socket.readyState === WebSocket.OPEN && this.socket.bufferedAmount === 0;
    if (!isReady || this.isBusy || !this.video.videoWidth) return;
    this.isBusy = true;
    try {
      const timeS = (performance.timeOrigin + performance.now()) / 1000;
      const jpeg = await this.jpeg();
      if (jpeg && this.socket.readyState === WebSocket.OPEN) {
        this.socket.send(message(timeS, jpeg));
        this.sent += 1;
      }
    } finally {
      this.isBusy = false;
    }
  }

  async jpeg() {
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(1, this.height / videoHeight);
    this.canvas.width = Math.round(videoWidth * scale);
    this.canvas.height = Math.round(videoHeight * scale);
    this.canvas.getContext("2d").drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    const blob = await new Promise((done) => this.canvas.toBlob(done, "image/jpeg", QUALITY));
    return blob && new Uint8Array(await blob.arrayBuffer());
  }
}

// As the server reads it: Unix seconds, big-endian, then the JPEG.
export function message(timeS, jpeg) {
  const bytes = new Uint8Array(TIME_BYTES + jpeg.length);
  new DataView(bytes.buffer).setFloat64(0, timeS);
  bytes.set(jpeg, TIME_BYTES);
  return bytes;
}
