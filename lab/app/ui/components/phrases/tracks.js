// Small multiples: one track of scores for each phrase, over one axis of time.
import { strokeCurve } from "../player/curve.js";
import { contextOf, drawLine } from "../player/elements.js";
import { mediaTime, ticks } from "../player/formatting.js";
import { FAILED, PRESENT, UNSEEN } from "./colours.js";

const TRACK_PX = 54;
const AXIS_PX = 20;
const TRUTH_PX = 18; // the strip of annotations above the tracks
const LABEL_FONT = "600 12px sans-serif";

export class Tracks {
  constructor(owner, canvas) {
    this.owner = owner;
    this.canvas = canvas;
    const seek = (event) => owner.seek(this.timeAt(event));
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.isDragging = true;
      seek(event);
    };
    canvas.onpointermove = (event) => {
      if (this.isDragging) seek(event);
    };
    canvas.onpointerup = canvas.onpointercancel = () => {
      this.isDragging = false;
    };
  }

  timeAt(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    const { first_pts_us, end_us } = this.owner.data;
    return (first_pts_us + ((event.clientX - left) / width) * (end_us - first_pts_us)) / 1e6;
  }

  x(time_us) {
    const { first_pts_us, end_us } = this.owner.data;
    return ((time_us - first_pts_us) / Math.max(1, end_us - first_pts_us)) * this.width;
  }

  // ---- drawing

  draw() {
    const { canvas, owner } = this;
    const { truth } = owner.data;
    const top = truth ? TRUTH_PX : 0;
    const height = top + owner.panels.length * TRACK_PX + AXIS_PX;
    this.width = canvas.clientWidth;
    if (!this.width) return;
    canvas.style.height = `${height + 2}px`;
    const g = contextOf(canvas, this.width, height);
    const style = getComputedStyle(owner.root);
    this.ink = style.color;
    this.paper = style.getPropertyValue("--st-background-color") || "#fff";
    this.drawAxis(g, height);
    if (truth) this.drawTruth(g, truth);
    if (owner.log) {
      owner.panels.forEach((panel, i) => this.drawTrack(g, panel, top + i * TRACK_PX));
    }
    g.strokeStyle = FAILED;
    g.lineWidth = 1.5;
    drawLine(g, this.x(owner.pts_us), 0, this.x(owner.pts_us), height);
    this.describe();
  }

  // For screen readers, and for tests.
  describe() {
    const { data, panels, pts_us } = this.owner;
    const described = {
      label: "Scores of all phrases; the playhead",
      valuemin: data.first_pts_us / 1e6,
      valuemax: data.end_us / 1e6,
      valuenow: (pts_us / 1e6).toFixed(2),
      valuetext: mediaTime(pts_us / 1e6),
    };
    for (const [name, value] of Object.entries(described)) {
      this.canvas.setAttribute(`aria-${name}`, value);
    }
    this.canvas.dataset.tracks = panels.length;
    this.canvas.dataset.truth = data.truth ? data.truth.present_us.length : 0;
  }

  drawAxis(g, height) {
    const { first_pts_us, end_us } = this.owner.data;
    g.font = "11px sans-serif";
    g.fillStyle = this.ink;
    for (const { time_s, text } of ticks(first_pts_us / 1e6, end_us / 1e6, this.width)) {
      const x = this.x(time_s * 1e6);
      g.globalAlpha = 0.13;
      g.fillRect(x, 0, 1, height - AXIS_PX);
      g.globalAlpha = 0.8;
      if (x + g.measureText(text).width + 4 < this.width) g.fillText(text, x + 3, height - 6);
    }
    g.globalAlpha = 1;
  }

  drawTruth(g, { covered_us, present_us, label }) {
    const wide = ([start_us, end_us]) => this.x(end_us) - this.x(start_us);
    g.fillStyle = this.ink;
    g.globalAlpha = 0.3;
    for (const span of covered_us) g.fillRect(this.x(span[0]), TRUTH_PX - 4, wide(span), 2);
    g.fillStyle = PRESENT;
    g.globalAlpha = 1;
    for (const span of present_us) {
      g.fillRect(this.x(span[0]), 3, Math.max(2, wide(span)), TRUTH_PX - 8);
    }
    this.drawLabel(g, `annotated: ${label}`, 1);
  }

  drawTrack(g, panel, top) {
    if (!panel.curve) return;
    const base = top + TRACK_PX - 5;
    const y = (score) => base - score * (TRACK_PX - 10);
    g.fillStyle = this.ink;
    g.globalAlpha = 0.2;
    g.fillRect(0, top, this.width, 1);
    this.drawSightings(g, panel, top);
    this.drawCurve(g, panel, y);
    this.drawThresholds(g, panel.spec, y);
    this.drawUnseen(g, panel, base + 4);
    this.drawLabel(g, panel.spec.phrase, top + 7);
  }

  drawSightings(g, { colour, spec }, top) {
    g.fillStyle = colour;
    for (const [onset_s, offset_s] of spec.sightings) {
      const x = this.x(onset_s * 1e6);
      const wide = Math.max(2, this.x(offset_s * 1e6) - x);
      g.globalAlpha = 0.22;
      g.fillRect(x, top + 1, wide, TRACK_PX - 2);
      g.globalAlpha = 0.6;
      g.fillRect(x, top + 1, wide, 4);
    }
    g.globalAlpha = 1;
  }

  drawCurve(g, { colour, curve }, y) {
    const { pts_us } = this.owner.log;
    g.strokeStyle = colour;
    g.lineWidth = 1.75;
    const x = (i) => this.x(pts_us[i]);
    strokeCurve(g, { curve, x, y, first: 0, last: pts_us.length - 1, width: this.width });
  }

  drawThresholds(g, { enter_threshold: enter, exit_threshold: exit }, y) {
    g.strokeStyle = this.ink;
    g.lineWidth = 1;
    g.globalAlpha = 0.55;
    drawLine(g, 0, y(enter), this.width, y(enter));
    g.setLineDash([4, 4]);
    if (exit < enter) drawLine(g, 0, y(exit), this.width, y(exit));
    g.setLineDash([]);
    g.globalAlpha = 1;
  }

  // Samples that were not analysed, and those that failed.
  drawUnseen(g, { unseen }, foot) {
    const { pts_us, failed } = this.owner.log;
    const mark = (i, tall) => {
      const x = this.x(pts_us[i]);
      const wide = this.x(pts_us[i + 1] ?? pts_us[i]) - x;
      g.fillRect(x, foot - tall, Math.max(2, wide), tall);
    };
    g.fillStyle = UNSEEN;
    for (const i of unseen) mark(i, 4);
    g.fillStyle = FAILED;
    for (const i of Object.keys(failed)) mark(Number(i), 7);
  }

  drawLabel(g, text, top) {
    g.font = LABEL_FONT;
    g.fillStyle = this.paper;
    g.globalAlpha = 0.82;
    g.fillRect(4, top, Math.min(this.width - 10, g.measureText(text).width + 8), 16);
    g.globalAlpha = 1;
    g.fillStyle = this.ink;
    g.fillText(text, 8, top + 12, this.width - 18);
  }
}
