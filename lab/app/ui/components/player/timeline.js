// The zoomable timeline: a track per label with its scores, thresholds, sightings and failures.
import { sampleAt } from "./clip_time.js";
import { strokeCurve } from "./curve.js";
import { contextOf, drawLine, onNextFrame } from "./elements.js";
import { ticks } from "./formatting.js";
import { TimeScale } from "./time_scale.js";

export const TRACK_PX = 62;
const AXIS_PX = 20;
const NOTE_PX = 16;
const FONT = "11px sans-serif";
const LABEL_FONT = "600 12px sans-serif";
const PLAYHEAD = "#ef4444";
const FAILED = "#ef4444";
const SKIPPED = "#94a3b8";
const IS_FAILED = 1; // of a curve's state
const IS_SKIPPED = 2;
const NO_TRACKS = "No label is chosen, or nothing was detected above the floor.";

export class Timeline {
  constructor(model, stage, root) {
    Object.assign(this, { model, stage, root });
    this.canvas = root.querySelector(".timeline");
    this.scale = new TimeScale();
    this.bands = null; // draws the annotations, and lets their edges be dragged
    this.redraw = onNextFrame(() => this.draw());
    const redrawn = ["opened", "rule", "sightings", "log", "curves", "time", "blind", "failed"];
    for (const name of redrawn) {
      model.addEventListener(name, this.redraw);
    }
    new ResizeObserver(this.redraw).observe(this.canvas);
    this.listen();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", () => {
      this.isDragging = false;
      if (this.bands.drag) this.bands.endDrag();
    });
    canvas.addEventListener("dblclick", () => this.showAll());
  }

  wheel(event) {
    event.preventDefault();
    if (event.shiftKey) this.scale.pan(event.deltaY / 800);
    else this.scale.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.timeAt(event));
    this.redraw();
  }

  press(event) {
    this.canvas.setPointerCapture(event.pointerId);
    const edge = this.edgeAt(event);
    if (edge) {
      this.bands.startDrag(edge);
      return;
    }
    this.isDragging = true;
    this.stage.seek(this.timeAt(event));
  }

  move(event) {
    if (this.bands.drag) this.bands.moveDrag(this.timeAt(event));
    else if (this.isDragging) this.stage.seek(this.timeAt(event));
    else this.canvas.style.cursor = this.edgeAt(event) ? "ew-resize" : "crosshair";
  }

  timeAt(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    return this.scale.time(event.clientX - left, width);
  }

  // The edge of an annotation under the pointer.
  edgeAt(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    return this.bands.edgeAt(event.clientX - left, event.clientY - top, this.model.trackLabels());
  }

  showAll() {
    this.scale.showAll(this.model.data);
    this.redraw();
  }

  // ---- drawing

  draw() {
    const { canvas, model, root, scale } = this;
    const labels = model.log ? model.trackLabels() : [];
    const on = model.labels.filter(({ name }) => model.isOn(name)).length;
    const isCut = on > labels.length;
    const height = AXIS_PX + Math.max(1, labels.length) * TRACK_PX + (isCut ? NOTE_PX : 0);
    canvas.style.height = `${height}px`;
    scale.width = canvas.clientWidth;
    if (!scale.width) return;
    const g = contextOf(canvas, scale.width, height);
    if (!model.log || !scale.full) return;
    const style = getComputedStyle(root);
    this.ink = style.color;
    this.paper = style.getPropertyValue("--st-background-color") || "#fff";
    g.font = FONT;
    this.drawAxis(g, height - (isCut ? NOTE_PX : 0));
    labels.forEach((label, i) => this.drawTrack(g, label, i * TRACK_PX));
    model.curves.want(labels, scale.from * 1e6, scale.to * 1e6);
    g.fillStyle = this.ink;
    if (!labels.length) g.fillText(NO_TRACKS, 10, 30);
    if (isCut) this.drawNote(g, labels.length, on, height);
    g.strokeStyle = PLAYHEAD;
    g.lineWidth = 1.5;
    const x = scale.x(this.stage.pts_s);
    drawLine(g, x, 0, x, height);
  }

  drawNote(g, drawn, on, height) {
    const text = `${drawn} of ${on} labels drawn; choose labels to see others`;
    g.fillText(text, Math.max(4, this.scale.width - g.measureText(text).width - 4), height - 5);
  }

  drawAxis(g, height) {
    const { from, to, width } = this.scale;
    g.fillStyle = this.ink;
    for (const { time_s, text } of ticks(from, to, width)) {
      const x = this.scale.x(time_s);
      g.globalAlpha = 0.15;
      g.fillRect(x, 0, 1, height - AXIS_PX);
      g.globalAlpha = 0.8;
      if (x + g.measureText(text).width + 4 < width) g.fillText(text, x + 3, height - 6);
    }
    g.globalAlpha = 1;
  }

  drawTrack(g, label, top) {
    const { model, scale } = this;
    const curve = model.curves.of(label, scale.from * 1e6, scale.to * 1e6);
    const base = top + TRACK_PX - 4;
    const y = (score) => base - score * (TRACK_PX - 12);
    if (!model.isBlind) {
      for (const sighting of model.sightings()) {
        if (sighting.label === label && this.isShown(sighting)) {
          this.drawSighting(g, sighting, top);
        }
      }
      if (curve) this.drawCurve(g, label, curve, y);
    }
    this.bands.drawTrack(g, label, top);
    this.drawThresholds(g, model.ruleOf(label).debounce, y);
    if (curve) this.drawUnseen(g, curve, base);
    this.drawLabel(g, label, top);
  }

  isShown({ onset_earliest_s, offset_latest_s }) {
    return onset_earliest_s <= this.scale.to && offset_latest_s >= this.scale.from;
  }

  drawSighting(g, sighting, top) {
    const x = (time_s) => this.scale.x(time_s);
    const { onset_s, offset_s, onset_earliest_s, offset_latest_s, alert_s } = sighting;
    const wide = Math.max(2, x(offset_s) - x(onset_s));
    const least = x(onset_earliest_s);
    g.fillStyle = this.model.colour(sighting.label);
    g.globalAlpha = 0.16;
    g.fillRect(least, top + 4, x(offset_latest_s) - least, TRACK_PX - 8);
    g.globalAlpha = alert_s === null ? 0.25 : 0.45;
    g.fillRect(x(onset_s), top + 4, wide, 6);
    g.globalAlpha = 0.22;
    g.fillRect(x(onset_s), top + 4, wide, TRACK_PX - 8);
    g.globalAlpha = 1;
    if (alert_s === null) return;
    g.fillStyle = this.ink;
    g.beginPath();
    g.arc(x(alert_s), top + 7, 3, 0, 7);
    g.fill();
  }

  drawCurve(g, label, { at_us, high, low, isExact }, y) {
    const { scale } = this;
    g.strokeStyle = this.model.colour(label);
    g.lineWidth = 1.5;
    strokeCurve(g, {
      curve: high,
      low: isExact ? null : low,
      x: (i) => scale.x(at_us[i] / 1e6),
      y,
      first: Math.max(0, sampleAt(at_us, scale.from * 1e6)),
      last: Math.min(at_us.length - 1, sampleAt(at_us, scale.to * 1e6) + 1),
      width: scale.width,
    });
  }

  drawThresholds(g, { enter_threshold, exit_threshold }, y) {
    g.lineWidth = 1;
    g.strokeStyle = this.ink;
    g.globalAlpha = 0.7;
    drawLine(g, 0, y(enter_threshold), this.scale.width, y(enter_threshold));
    g.setLineDash([4, 4]);
    drawLine(g, 0, y(exit_threshold), this.scale.width, y(exit_threshold));
    g.setLineDash([]);
    g.globalAlpha = 1;
  }

  // Samples that failed, that were gated, or that were not analysed yet.
  drawUnseen(g, { at_us, state }, base) {
    const x = (i) => this.scale.x(at_us[i] / 1e6);
    state.forEach((mark, i) => {
      if (!mark) return;
      g.fillStyle = FAILED;
      if (mark & IS_FAILED) g.fillRect(x(i) - 1, base - 4, 3, 8);
      g.fillStyle = SKIPPED;
      const wide = i + 1 < at_us.length ? x(i + 1) - x(i) : 0;
      if (mark & IS_SKIPPED) g.fillRect(x(i), base + 1, Math.max(1, wide), 3);
    });
  }

  drawLabel(g, label, top) {
    g.font = LABEL_FONT;
    g.fillStyle = this.paper;
    g.globalAlpha = 0.8;
    g.fillRect(3, top + 10, g.measureText(label).width + 7, 17);
    g.globalAlpha = 1;
    g.fillStyle = this.ink;
    g.fillText(label, 6, top + 23);
    g.font = FONT;
  }
}
