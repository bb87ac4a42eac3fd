// Two runs or rules over one video, drawn twice: both sides are on the same frame by construction.
import { whyNotPlayed } from "../player/clip_problem.js";
import { clampToClip, frameDuration, nextTime, videoTime } from "../player/clip_time.js";
import { button, contextOf, drawLine, element } from "../player/elements.js";
import { mediaTime } from "../player/formatting.js";
import { pressKey } from "../player/keyboard.js";
import { Requests } from "../player/requests.js";
import { FOUND, Side } from "./side.js";

const UNPLAYABLE = "This browser cannot play the clip; the differences below are complete.";
const DIFFERENT = "#f59e0b";
const PLAYHEAD_COLOUR = "#ef4444";
const FAR_ENOUGH_S = 0.05;

export class Duet {
  constructor(root) {
    this.root = root;
    this.requests = new Requests();
    this.media_us = 0;
    this.video = root.querySelector("video");
    this.sides = [
      new Side(root.querySelector(".a"), root.querySelector(".left")),
      new Side(root.querySelector(".b"), root.querySelector(".right")),
    ];
    this.strip = root.querySelector(".strip");
    this.bar = root.querySelector(".bar");
    this.note = root.querySelector(".note");
    this.build();
    this.listen();
  }

  build() {
    const add = (text, title, act) => {
      const made = button(text, title, act);
      this.bar.append(made);
      return made;
    };
    this.play = add("▶", "Play or pause (space)", () => this.toggle());
    add("◀|", "Frame back (left arrow)", () => this.step(-1));
    add("|▶", "Frame forward (right arrow)", () => this.step(1));
    add("[", "Previous difference ([)", () => this.jump(-1));
    add("]", "Next difference (])", () => this.jump(1));
    this.time = element("span", { className: "time" });
    this.bar.append(this.time);
  }

  listen() {
    const { root, strip, video } = this;
    const next = (_, frame) => {
      this.present(frame.mediaTime * 1e6);
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
    for (const name of ["play", "pause"]) {
      video.addEventListener(name, () => {
        this.play.textContent = video.paused ? "▶" : "❚❚";
      });
    }
    video.addEventListener("error", async () => {
      if (!this.data.src) return;
      const why = await whyNotPlayed(this.requests, this.data.src, UNPLAYABLE);
      if (why) this.note.textContent = why;
    });
    strip.onpointerdown = (event) => this.seek(this.timeAt(event));
    root.addEventListener("keydown", (event) => this.press(event));
    new ResizeObserver(() => this.draw()).observe(strip);
  }

  press(event) {
    pressKey(event, {
      " ": () => this.toggle(),
      ArrowLeft: () => this.step(-1),
      ArrowRight: () => this.step(1),
      "[": () => this.jump(-1),
      "]": () => this.jump(1),
    });
  }

  // ---- data from Python

  async load(data) {
    const isOtherVideo = this.data?.src !== data.src;
    this.data = data;
    this.media_us = data.first_pts_us + this.offset_us;
    this.note.textContent = data.src ? "" : data.src_wait;
    if (isOtherVideo) this.loadVideo(data.src);
    delete this.root.dataset.ready;
    const loaded = await Promise.all([
      this.loadSide(this.sides[0], "a"),
      this.loadSide(this.sides[1], "b"),
    ]);
    if (loaded.every(Boolean)) this.root.dataset.ready = "yes";
    this.draw();
  }

  loadVideo(src) {
    this.requests.cancel("clip");
    if (src) this.video.src = src;
    else this.video.removeAttribute("src");
  }

  // name: a or b. Whether the log that is to be shown has come.
  async loadSide(side, name) {
    side.setSpec(this.data[name]);
    const { run_id, log_v } = side.spec;
    const answer = await this.requests.send(name, `/api/runs/${run_id}/log?v=${log_v}`);
    if (!answer) return false;
    if (!answer.ok) {
      this.note.textContent = answer.body;
      return false;
    }
    side.setLog(answer.body);
    return true;
  }

  // ---- time

  get offset_us() {
    return this.data.browser_offset_us || 0;
  }

  get pts_s() {
    return (this.media_us - this.offset_us) / 1e6;
  }

  present(media_us) {
    if (this.video.readyState === 0) return; // a frame of the clip before: this one is not loaded
    this.media_us = media_us;
    this.draw();
  }

  timeAt(event) {
    const { left, width } = this.strip.getBoundingClientRect();
    const { first_pts_us, end_us } = this.data;
    return (first_pts_us + ((event.clientX - left) / width) * (end_us - first_pts_us)) / 1e6;
  }

  seek(pts_s) {
    const at_s = clampToClip(this.data, pts_s);
    this.media_us = at_s * 1e6 + this.offset_us;
    if (this.data.src) this.video.currentTime = videoTime(at_s, this.offset_us);
    this.draw();
  }

  step(frames) {
    this.video.pause();
    this.seek(this.pts_s + frames * frameDuration(this.data));
  }

  toggle() {
    if (this.video.paused) this.video.play().catch(() => {});
    else this.video.pause();
  }

  // To the next difference in a direction.
  jump(direction) {
    const starts = this.data.differences.map((difference) => difference.start_s);
    const start_s = nextTime(starts, this.pts_s, direction, FAR_ENOUGH_S);
    if (start_s !== undefined) this.seek(start_s);
  }

  // ---- drawing

  draw() {
    if (!this.data) return;
    this.time.textContent = `${mediaTime(this.pts_s)} / ${mediaTime(this.data.end_us / 1e6)}`;
    const isShowing = this.data.src && this.video.readyState >= 2;
    const view = {
      pts_s: this.pts_s,
      size_px: this.data.size_px,
      video: isShowing ? this.video : null,
    };
    for (const side of this.sides) side.draw(view);
    this.drawStrip();
  }

  drawStrip() {
    const { first_pts_us, end_us, differences } = this.data;
    const { clientWidth: width, clientHeight: height } = this.strip;
    const x = (time_s) => ((time_s * 1e6 - first_pts_us) / (end_us - first_pts_us)) * width;
    const g = contextOf(this.strip, width, height);
    const ink = getComputedStyle(this.root).color;
    g.font = "11px sans-serif";
    this.sides.forEach(({ spec }, i) => {
      g.fillStyle = ink;
      g.fillText(i ? "B" : "A", 4, 20 + i * 22);
      g.fillStyle = FOUND;
      for (const { onset_s, offset_s } of spec.sightings) {
        g.fillRect(x(onset_s), 8 + i * 22, Math.max(2, x(offset_s) - x(onset_s)), 14);
      }
    });
    g.fillStyle = DIFFERENT;
    for (const { start_s, end_s } of differences) {
      g.fillRect(x(start_s), 54, Math.max(3, x(end_s) - x(start_s)), 10);
    }
    g.strokeStyle = PLAYHEAD_COLOUR;
    g.lineWidth = 1;
    drawLine(g, x(this.pts_s), 0, x(this.pts_s), height);
  }
}

export default function (component) {
  const { data, parentElement } = component;
  parentElement.duet ||= new Duet(parentElement.querySelector(".duet"));
  const { duet } = parentElement;
  const shown = JSON.stringify([data.a, data.b, data.src]);
  if (shown !== duet.shown) duet.load(data);
  duet.shown = shown;
  if (data.seek && data.seek.n !== duet.seekCount) {
    duet.seekCount = data.seek.n;
    duet.seek(data.seek.t);
  }
}
