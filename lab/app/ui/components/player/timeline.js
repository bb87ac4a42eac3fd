// The zoomable timeline: an overview of the clip, a lane for each label, and the axis.
import { contextOf, drawLine, element, onNextFrame } from "./elements.js";
import { ticks } from "./formatting.js";
import { LANE_PX, Lanes } from "./lanes.js";
import { Overview } from "./overview.js";
import { Peek } from "./peek.js";
import { TimeScale } from "./time_scale.js";
import { TimelinePointer } from "./timeline_pointer.js";

const AXIS_PX = 18;
const NOTE_PX = 16;
const FONT = "11px sans-serif";
const PLAYHEAD = "#ef4444";
const NO_LANES = "No label is chosen, or nothing was detected above the floor.";
const ZOOM_STEP = 0.7;
const JUMP_S = 1; // a playhead that moves so far at once was sent there

export class Timeline {
  constructor(model, stage, sound, root) {
    Object.assign(this, { model, stage, sound, root });
    this.canvas = root.querySelector(".timeline");
    this.axis = element("canvas", { className: "axis", role: "img", ariaLabel: "Time axis" });
    root.querySelector(".lanes").append(this.axis);
    this.scale = new TimeScale();
    this.lanes = new Lanes(model, this.scale);
    this.bands = null; // draws the annotations, and lets their edges be dragged
    this.isFollowing = true; // the playhead, until the view is moved away from it
    this.last_s = 0;
    this.redraw = onNextFrame(() => this.draw());
    this.overview = new Overview(this, root);
    this.pointer = new TimelinePointer(this, new Peek(model, root));
    const redrawn = ["opened", "rule", "sightings", "log", "curves", "blind", "failed", "sound"];
    for (const name of redrawn) model.addEventListener(name, this.redraw);
    model.addEventListener("time", () => this.follow());
    new ResizeObserver(this.redraw).observe(this.canvas);
  }

  // ---- the view

  showAll() {
    this.scale.showAll(this.model.data);
    this.isFollowing = true;
    this.redraw();
  }

  // The session goes on: to a later end.
  grow(end_s) {
    this.scale.grow(end_s);
    this.redraw();
  }

  // A stretch of the clip, in seconds.
  showStretch(from_s, to_s) {
    if (!this.scale.full) return;
    this.scale.showStretch(from_s, to_s);
    this.viewMoved();
  }

  // In (-1) or out (1), around the playhead, or where it is going, if that is in view.
  zoomBy(direction) {
    const { scale } = this;
    if (!scale.full) return;
    const { next_s } = this.stage;
    const around_s = scale.holds(next_s) ? next_s : (scale.from + scale.to) / 2;
    scale.zoom(ZOOM_STEP ** -direction, around_s);
    this.viewMoved();
  }

  // By hand: who looks elsewhere is not taken back by a clip that plays.
  viewMoved() {
    this.isFollowing = this.scale.holds(this.stage.next_s);
    this.redraw();
  }

  follow() {
    const { next_s, isPaused } = this.stage;
    const wasSent = isPaused || Math.abs(next_s - this.last_s) > JUMP_S;
    this.last_s = next_s;
    if (wasSent || this.scale.holds(next_s)) this.isFollowing = true;
    if (this.isFollowing && this.scale.full) this.scale.follow(next_s);
    this.redraw();
  }

  // ---- drawing

  draw() {
    const { axis, canvas, model, root, scale, sound } = this;
    const labels = model.log ? model.trackLabels() : [];
    const on = model.labels.filter(({ name }) => model.isOn(name)).length;
    const isCut = on > labels.length;
    const rows = Math.max(1, labels.length) + (sound.isThere ? 1 : 0);
    const height = rows * LANE_PX + (isCut ? NOTE_PX : 0);
    canvas.style.height = `${height}px`;
    scale.width = canvas.clientWidth;
    if (!scale.width) return;
    const g = contextOf(canvas, scale.width, height);
    const a = contextOf(axis, scale.width, AXIS_PX);
    const style = getComputedStyle(root);
    this.ink = style.color;
    this.paper = style.getPropertyValue("--st-background-color") || "#fff";
    this.overview.draw();
    if (!model.log || !scale.full) return;
    root.dataset.view = [scale.from, scale.to].map((s) => s.toFixed(2)).join(" ");
    this.drawAxis(a, g, height);
    this.lanes.draw(g, labels, this);
    model.curves.want(labels, scale.from * 1e6, scale.to * 1e6);
    g.fillStyle = this.ink;
    if (!labels.length) g.fillText(NO_LANES, 10, 22);
    if (isCut) this.drawNote(g, labels.length, on, height);
    this.drawPlayhead(g, height);
    this.drawPlayhead(a, AXIS_PX);
  }

  drawPlayhead(g, height) {
    const x = this.scale.x(this.stage.pts_s);
    g.strokeStyle = PLAYHEAD;
    g.lineWidth = 1.5;
    drawLine(g, x, 0, x, height);
  }

  drawNote(g, drawn, on, height) {
    const text = `${drawn} of ${on} labels drawn; choose labels to see others`;
    g.fillText(text, Math.max(4, this.scale.width - g.measureText(text).width - 4), height - 5);
  }

  // a: of the axis, which has the times; g: of the lanes, which have their lines.
  drawAxis(a, g, height) {
    const { from, to, width } = this.scale;
    a.font = FONT;
    a.fillStyle = g.fillStyle = this.ink;
    for (const { time_s, text } of ticks(from, to, width)) {
      const x = this.scale.x(time_s);
      g.globalAlpha = 0.15;
      g.fillRect(x, 0, 1, height);
      a.globalAlpha = 0.9;
      a.fillRect(x, 0, 1, 4);
      if (x + a.measureText(text).width + 4 < width) a.fillText(text, x + 3, AXIS_PX - 5);
    }
    a.globalAlpha = g.globalAlpha = 1;
  }
}
