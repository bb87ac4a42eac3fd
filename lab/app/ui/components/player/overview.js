// The strip above the lanes: the whole clip, and which part of it the lanes show.
import { contextOf } from "./elements.js";
import { seconds } from "./formatting.js";

const HEIGHT_PX = 20;
const HANDLE_PX = 6;
const REACH_PX = { touch: 16, mouse: 7 };
const MOVED_PX = 3;
const LEAST_PX = 8; // so wide is the window drawn at least
const PLAYHEAD = "#ef4444";

export class Overview {
  constructor(timeline, root) {
    Object.assign(this, { timeline, model: timeline.model, stage: timeline.stage });
    this.canvas = root.querySelector(".overview");
    this.drag = null; // { end, grip_px, x, isMoved }
    this.heights = null; // the strongest score of each column of pixels
    this.width = 0; // asked once for each drawing: each question may cost a layout of the page
    for (const name of ["opened", "log", "rule", "curves"]) {
      this.model.addEventListener(name, () => {
        this.heights = null;
      });
    }
    this.listen();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.release(event));
    canvas.addEventListener("pointercancel", () => {
      this.drag = null;
    });
    canvas.addEventListener("dblclick", () => this.timeline.showAll());
    new ResizeObserver(this.timeline.redraw).observe(canvas);
  }

  x(time_s) {
    const [from, to] = this.timeline.scale.full;
    return ((time_s - from) / (to - from)) * this.width;
  }

  time(x) {
    const [from, to] = this.timeline.scale.full;
    return from + (x / this.width) * (to - from);
  }

  // The window's ends in pixels, no closer than can be seen.
  window() {
    const { from, to } = this.timeline.scale;
    const [left, right] = [this.x(from), this.x(to)];
    const more = Math.max(0, LEAST_PX - (right - left)) / 2;
    return [left - more, right + more];
  }

  // ---- pointers

  xOf(event) {
    return event.clientX - this.canvas.getBoundingClientRect().left;
  }

  // from or to: a handle; window: between them; null: outside.
  partAt(x, reach_px) {
    const [left, right] = this.window();
    const [toLeft, toRight] = [Math.abs(x - left), Math.abs(x - right)];
    if (Math.min(toLeft, toRight) <= reach_px) return toLeft < toRight ? "from" : "to";
    return x > left && x < right ? "window" : null;
  }

  press(event) {
    const { scale } = this.timeline;
    if (event.button > 0 || !scale.full) return;
    this.canvas.setPointerCapture(event.pointerId);
    const x = this.xOf(event);
    const part = this.partAt(x, REACH_PX[event.pointerType] || REACH_PX.mouse);
    // In a whole clip there is nothing to move: there and outside of the window the playhead goes.
    const isSeeking = !part || (part === "window" && scale.isWhole);
    this.drag = { part: isSeeking ? "playhead" : part, x, first_x: x, isMoved: false };
    if (isSeeking) this.stage.seek(this.time(x));
  }

  move(event) {
    const x = this.xOf(event);
    if (!this.drag) {
      if (this.timeline.scale.full) this.canvas.style.cursor = this.cursorAt(x, event);
      return;
    }
    const { drag } = this;
    drag.isMoved ||= Math.abs(x - drag.first_x) > MOVED_PX;
    if (drag.isMoved) this.dragTo(x);
  }

  dragTo(x) {
    const { drag, timeline } = this;
    const { scale } = timeline;
    if (drag.part === "playhead") {
      this.stage.seek(this.time(x));
      return;
    }
    const moved_s = this.time(x) - this.time(drag.x);
    if (drag.part === "window") scale.pan(moved_s / scale.span);
    else scale.setEnd(drag.part, this.time(x));
    drag.x = x;
    timeline.viewMoved();
  }

  // A click on the window goes there.
  release(event) {
    const { drag } = this;
    this.drag = null;
    if (drag?.part === "window" && !drag.isMoved) this.stage.seek(this.time(this.xOf(event)));
  }

  cursorAt(x, event) {
    const part = this.partAt(x, REACH_PX[event.pointerType] || REACH_PX.mouse);
    if (part === "from" || part === "to") return "ew-resize";
    return part === "window" && !this.timeline.scale.isWhole ? "grab" : "pointer";
  }

  // ---- drawing

  draw() {
    const { canvas, model, timeline } = this;
    this.width = canvas.clientWidth;
    if (!this.width) return;
    const g = contextOf(canvas, this.width, HEIGHT_PX);
    if (!model.log || !timeline.scale.full) return;
    this.tell();
    if (!model.isBlind) this.drawScores(g);
    if (!model.isBlind) this.drawSightings(g);
    this.drawWindow(g);
    g.fillStyle = PLAYHEAD;
    g.fillRect(this.x(this.stage.pts_s) - 0.75, 0, 1.5, HEIGHT_PX);
  }

  // For a screen reader: where the playhead is.
  tell() {
    const [from, to] = this.timeline.scale.full;
    const { pts_s } = this.stage;
    const told = { valuemin: from, valuemax: to, valuenow: pts_s, valuetext: seconds(pts_s) };
    for (const [name, value] of Object.entries(told)) {
      this.canvas.setAttribute(`aria-${name}`, value);
    }
  }

  drawScores(g) {
    if (this.heights?.length !== this.width) this.heights = this.strongest();
    g.fillStyle = this.timeline.ink;
    g.globalAlpha = 0.45;
    g.beginPath(); // one outline: quicker than a thousand bars
    g.moveTo(0, HEIGHT_PX);
    this.heights.forEach((score, x) => {
      const y = HEIGHT_PX - score * (HEIGHT_PX - 5);
      g.lineTo(x, y);
      g.lineTo(x + 1, y);
    });
    g.lineTo(this.width, HEIGHT_PX);
    g.fill();
    g.globalAlpha = 1;
  }

  // The highest score of any label that is on, by column of pixels.
  strongest() {
    const { model, timeline } = this;
    const heights = new Float32Array(this.width);
    const [from, to] = timeline.scale.full;
    for (const label of model.trackLabels()) {
      const curve = model.curves.of(label, from * 1e6, to * 1e6);
      if (curve) this.raise(heights, curve);
    }
    return heights;
  }

  // A score counts until the next sample; one that is not there (NaN) is not higher.
  raise(heights, { at_us, high }) {
    const columnOf = (time_us) => Math.floor(this.x(time_us / 1e6));
    at_us.forEach((time_us, i) => {
      const first = columnOf(time_us);
      const next = i + 1 < at_us.length ? columnOf(at_us[i + 1]) : first;
      for (let x = first; x <= Math.max(first, next - 1); x++) {
        if (high[i] > heights[x]) heights[x] = high[i];
      }
    });
  }

  drawSightings(g) {
    for (const { label, onset_s, offset_s } of this.model.sightings()) {
      const left = this.x(onset_s);
      g.fillStyle = this.model.colour(label);
      g.fillRect(left, 1, Math.max(2, this.x(offset_s) - left), 3);
    }
  }

  drawWindow(g) {
    const [left, right] = this.window();
    g.fillStyle = this.timeline.paper;
    g.globalAlpha = 0.6;
    g.fillRect(0, 0, left, HEIGHT_PX);
    g.fillRect(right, 0, this.width - right, HEIGHT_PX);
    g.globalAlpha = 0.7;
    g.strokeStyle = g.fillStyle = this.timeline.ink;
    g.lineWidth = 1;
    g.strokeRect(left + 0.5, 0.5, right - left - 1, HEIGHT_PX - 1);
    g.fillRect(left, 0, HANDLE_PX / 2, HEIGHT_PX);
    g.fillRect(right - HANDLE_PX / 2, 0, HANDLE_PX / 2, HEIGHT_PX);
    g.globalAlpha = 1;
  }
}
