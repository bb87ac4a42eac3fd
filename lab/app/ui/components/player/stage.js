// The video with the boxes over it. Time is media time: pts = the browser's mediaTime - offset.
import { explainError, withoutPicture } from "./clip_problem.js";
import { clampToClip, frameDuration, videoTime } from "./clip_time.js";
import { Overlay } from "./overlay.js";
import { Recording } from "./recording.js";
import { jsonPost } from "./requests.js";
import { cornerAt, movedCross, withCorner } from "./zones.js";

const LEAST_CORNERS = 3;

export class Stage {
  constructor(model, root) {
    this.model = model;
    this.video = root.querySelector("video");
    this.canvas = root.querySelector(".overlay");
    this.message = root.querySelector(".message");
    this.root = root;
    this.overlay = new Overlay(model, this);
    this.recording = new Recording(this.video, (why, pts_s) => {
      if (why) this.live.showStill(pts_s, withoutPicture(why));
      else this.showMessage(null);
    });
    this.areBoxesOn = true;
    this.areWeakBoxesOn = false;
    this.pts_us = 0;
    this.offset_us = null; // of the browser's clock; unknown until a frame was presented
    this.live = null; // the live edge, once the player has one
    this.forget();
    this.listen();
  }

  listen() {
    const { canvas, model, video } = this;
    const next = (_, frame) => {
      this.present(frame.mediaTime * 1e6);
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
    video.addEventListener("error", () => explainError(this));
    video.addEventListener("loadeddata", () => this.showMessage(null));
    canvas.addEventListener("click", (event) => this.click(event));
    canvas.addEventListener("dblclick", () => this.endZone(true));
    new ResizeObserver(() => this.draw()).observe(canvas);
    for (const name of ["opened", "rule", "sightings", "log", "samples", "blind", "failed"]) {
      model.addEventListener(name, () => this.draw());
    }
    model.addEventListener("failed", () => {
      if (model.connection.problem) this.showMessage(model.connection.problem);
    });
    model.addEventListener("back", () => this.goOn());
  }

  // ---- the clip

  load(data) {
    if (this.data?.run_id !== data.run_id) this.forget();
    this.data = data;
    this.offset_us = data.is_recording ? 0 : (data.browser_offset_us ?? null);
    Object.assign(this, { pts_us: data.first_pts_us, target_s: undefined });
    const [width, height] = data.size_px;
    // The picture is shown whole, and never stretched.
    this.root.style.setProperty("--ratio", width / height);
    this.hasFailed = false;
    this.showMessage(data.src ? "Loading the clip…" : data.src_wait);
    const first_s = data.live ? null : videoTime(data.first_pts_us / 1e6, 0);
    this.recording.open(data.is_recording ? data.src : null, first_s);
    if (data.is_recording) this.showMessage(null);
    else if (data.src) this.video.src = data.src;
    else this.unload();
  }

  // A video without a source keeps the picture that it had until it is loaded again.
  unload() {
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
  }

  // Nothing of the run before is left.
  forget() {
    this.loop = null; // [from, to] in seconds
    this.drawing = null; // the zone that is being drawn: { kind, points, cross }
    this.waitingSeek_s = undefined; // a seek that waits until the offset is known
    this.canvas.dataset.boxes = 0;
  }

  // The app is back: so is the clip, at the same moment.
  goOn() {
    const { data, pts_s } = this;
    this.showMessage(data?.src ? null : data?.src_wait);
    if (!data?.src || !this.hasFailed) return;
    this.hasFailed = false;
    this.showMessage("Loading the clip…");
    this.video.load();
    this.seek(pts_s);
  }

  showMessage(text) {
    this.message.hidden = !text;
    this.message.textContent = text || "";
  }

  // A frame is shown now.
  present(media_us) {
    if (this.live?.isAtEdge) return;
    if (this.video.readyState === 0) return; // a frame of the clip before: this one is not loaded
    if (this.offset_us === null) this.measureOffset(media_us);
    if (!this.video.seeking) this.target_s = undefined;
    this.pts_us = media_us - this.offset_us;
    const isBeyondLoop = this.loop && this.pts_us > this.loop[1] * 1e6 + 1000;
    if (isBeyondLoop && !this.video.paused) this.seek(this.loop[0]);
    this.draw();
    this.model.emit("time");
  }

  // The first frame that the browser presents is the first of the file.
  measureOffset(media_us) {
    const { media_id, first_pts_us } = this.data;
    this.offset_us = Math.round(media_us) - first_pts_us;
    const measured = jsonPost({ offset_us: this.offset_us });
    fetch(`/api/media/${media_id}/offset`, measured).catch(() => {}); // it is measured again
    const waiting_s = this.waitingSeek_s;
    this.waitingSeek_s = undefined;
    if (waiting_s !== undefined) this.seek(waiting_s);
  }

  // ---- time

  get pts_s() {
    return this.pts_us / 1e6;
  }

  // Where the last seek goes until its picture is there, so that keys may come fast.
  get next_s() {
    return this.target_s ?? this.pts_s;
  }

  seek(pts_s) {
    const at_s = clampToClip(this.data, pts_s);
    if (this.live?.isEdge(at_s)) {
      this.live.goLive();
      return;
    }
    this.target_s = at_s;
    this.live?.leave();
    if (!this.data.src) {
      this.pts_us = at_s * 1e6;
      this.model.emit("time");
    } else if (this.data.is_recording) this.recording.seek(videoTime(at_s, 0));
    else if (this.offset_us === null) this.waitingSeek_s = at_s;
    else this.video.currentTime = videoTime(at_s, this.offset_us);
  }

  // Seek, and let the picture be seen.
  goTo(pts_s) {
    this.seek(pts_s);
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.canvas.scrollIntoView({ block: "nearest", behavior: isStill ? "auto" : "smooth" });
  }

  step(frames) {
    this.jumpBy(frames * frameDuration(this.data));
  }

  jumpBy(seconds) {
    this.video.pause();
    this.seek(this.next_s + seconds);
  }

  // To the sample before (-1) or after (1) this one.
  async stepSample(count) {
    this.video.pause();
    if (!this.model.log) return;
    const pts_us = await this.model.windows.neighbour(this.pts_us, count);
    if (pts_us !== null) this.seek(pts_us / 1e6);
  }

  // Of the live edge only the picture is paused.
  toggle() {
    if (this.live?.isAtEdge) this.live.toggle();
    else if (this.video.paused) this.play();
    else this.video.pause();
  }

  play() {
    if (!this.live?.isAtEdge) this.video.play()?.catch(() => {});
  }

  get isPaused() {
    return this.live?.isAtEdge ? this.live.isHeld : this.video.paused;
  }

  draw() {
    this.overlay.draw();
  }

  // ---- zones

  click(event) {
    if (!this.drawing) {
      if (!this.handles.wasDragged) this.toggle();
      return;
    }
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    this.addCorner(cornerAt(event.clientX - left, event.clientY - top, width, height));
  }

  addCorner(corner) {
    this.drawing.points = withCorner(this.drawing.points, corner);
    this.draw();
  }

  // Without a mouse: a cross that the arrow keys move.
  moveCross(key, isSlow) {
    this.drawing.cross = movedCross(this.drawing.cross, key, isSlow);
    this.draw();
  }

  putCorner() {
    this.addCorner(this.drawing.cross);
  }

  // kind: include or exclude.
  startZone(kind) {
    this.video.pause();
    this.drawing = { kind, points: [], cross: [0.5, 0.5] };
    this.draw();
    this.model.emit("zone");
  }

  // Of the zone that is drawn, the last; whether one is drawn.
  takeBackCorner() {
    if (!this.drawing) return false;
    this.drawing.points = this.drawing.points.slice(0, -1);
    this.draw();
    return true;
  }

  endZone(isKept) {
    const zone = this.drawing;
    if (!zone) return;
    this.drawing = null;
    if (isKept && zone.points.length >= LEAST_CORNERS) {
      this.model.edit((rule) => rule.box_filter[zone.kind].push(zone.points));
      this.model.emit("released");
    }
    this.draw();
    this.model.emit("zone");
  }
}
