// Sends the picture of this browser's camera to a feed.
import { refusal, Sender } from "./sender.js";

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".webcam");
  parentElement.webcam ||= new Webcam(root);
  parentElement.webcam.show(data);
  return () => {
    // Streamlit calls this when the component goes, and not between two runs of the page.
    parentElement.webcam?.stop();
    parentElement.webcam = null;
  };
}

export class Webcam {
  constructor(root) {
    this.video = root.querySelector("video");
    this.status = root.querySelector("[role=status]");
    this.choice = root.querySelector("select");
    this.button = root.querySelector("button");
    this.button.onclick = () => (this.stream ? this.stop() : this.start());
    this.choice.onchange = () => this.start(this.choice.value);
    this.stream = this.sender = null;
    this.say("");
  }

  // data: feed_id; fps and height of the pictures that are sent.
  show(data) {
    const isOther = this.data && this.data.feed_id !== data.feed_id;
    this.data = data;
    if (isOther && this.stream) this.start(this.choice.value);
    else this.sender?.set(data.fps ?? 10, data.height ?? 720);
  }

  say(text, isError = false) {
    this.status.textContent = text;
    this.status.classList.toggle("error", isError);
    this.button.textContent = this.stream ? "Stop the camera" : "Use this computer's camera";
    this.video.classList.toggle("on", Boolean(this.stream));
    this.choice.parentElement.classList.toggle("on", this.choice.options.length > 1);
  }

  async start(deviceId = "") {
    this.stop();
    const height = this.data.height ?? 720;
    try {
      if (!navigator.mediaDevices?.getUserMedia) throw new DOMException("", "SecurityError");
      this.stream = await navigator.mediaDevices.getUserMedia({
        video: { height: { ideal: height }, ...(deviceId && { deviceId: { exact: deviceId } }) },
      });
    } catch (error) {
      this.say(refusal(error.name), true);
      return;
    }
    this.video.srcObject = this.stream;
    const [track] = this.stream.getVideoTracks();
    track.onended = () => {
      this.stop();
      this.say("The camera was taken away. Connect it and start again.", true);
    };
    await this.video.play();
    await this.listCameras(track.getSettings().deviceId);
    this.sender = new Sender(this.video, this.data.feed_id, (text, isError) =>
      this.say(text, isError),
    );
    this.sender.set(this.data.fps ?? 10, height);
  }

  stop() {
    this.sender?.close();
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = this.sender = this.video.srcObject = null;
    this.say("");
  }

  async listCameras(current) {
    const devices = await navigator.mediaDevices.enumerateDevices();
    const cameras = devices.filter((device) => device.kind === "videoinput");
    this.choice.replaceChildren(
      ...cameras.map((camera, i) => new Option(camera.label || `Camera ${i + 1}`, camera.deviceId)),
    );
    this.choice.value = current;
  }
}
