// Small multiples: one lane of scores for each phrase, over one axis of time.
import { seconds } from "../player/formatting.js";

export const THERE = "#22c55e", FAILED = "#ef4444", UNSEEN = "#94a3b8";
const LANE = 54, AXIS = 20, STRIP = 18;

export class Lanes {
  constructor(owner, canvas) {
    this.owner = owner; this.canvas = canvas;
    canvas.onpointerdown = (e) => { canvas.setPointerCapture(e.pointerId); this.isDragging = true; owner.seek(this.timeAt(e)); };
    canvas.onpointermove = (e) => { if (this.isDragging) owner.seek(this.timeAt(e)); };
    canvas.onpointerup = canvas.onpointercancel = () => { this.isDragging = false; };
  }

  timeAt(e) { const r = this.canvas.getBoundingClientRect(), d = this.owner.data; return (d.first_pts_us + (e.clientX - r.left) / r.width * (d.end_us - d.first_pts_us)) / 1e6; }

  draw() {
    const c = this.canvas, d = this.owner.data, ratio = devicePixelRatio || 1, w = c.clientWidth, strip = d.truth ? STRIP : 0, height = strip + this.owner.panels.length * LANE + AXIS;
    if (!w) return;
    c.style.height = `${height + 2}px`;
    c.width = Math.round(w * ratio); c.height = Math.round(height * ratio);
    const g = c.getContext("2d"), style = getComputedStyle(this.owner.root), span = Math.max(1, d.end_us - d.first_pts_us), x = (us) => (us - d.first_pts_us) / span * w;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    const look = { g, x, w, ink: style.color, paper: style.getPropertyValue("--st-background-color") || "#fff" };
    this.drawAxis(look, height);
    if (d.truth) {
      g.fillStyle = look.ink; g.globalAlpha = 0.3;
      for (const [a, b] of d.truth.covered_us) g.fillRect(x(a), STRIP - 4, x(b) - x(a), 2);
      g.fillStyle = THERE; g.globalAlpha = 1;
      for (const [a, b] of d.truth.present_us) g.fillRect(x(a), 3, Math.max(2, x(b) - x(a)), STRIP - 8);
      this.label(look, `annotated: ${d.truth.label}`, 1);
    }
    this.owner.panels.forEach((p, i) => { if (p.curve && this.owner.log) this.drawLane(look, p, strip + i * LANE); });
    const now = x(this.owner.pts_us), s = this.owner.pts_us / 1e6;
    g.strokeStyle = FAILED; g.lineWidth = 1.5; g.beginPath(); g.moveTo(now, 0); g.lineTo(now, height); g.stroke();
    for (const [k, v] of Object.entries({ label: "Scores of all phrases; the playhead", valuemin: d.first_pts_us / 1e6, valuemax: d.end_us / 1e6, valuenow: s.toFixed(2), valuetext: seconds(s) })) c.setAttribute(`aria-${k}`, v);
    c.dataset.lanes = this.owner.panels.length; c.dataset.truth = d.truth ? d.truth.present_us.length : 0;
  }

  drawAxis({ g, x, w, ink }, height) {
    const d = this.owner.data, from = d.first_pts_us / 1e6, to = d.end_us / 1e6, least = (to - from) / Math.max(2, w / 90);
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600].find((s) => s >= least) || 7200;
    g.font = "11px sans-serif"; g.fillStyle = ink;
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
      const text = t >= 60 ? `${Math.floor(t / 60)}:${(t % 60).toFixed(0).padStart(2, "0")}` : `${t.toFixed(step < 1 ? 1 : 0)} s`;
      g.globalAlpha = 0.13; g.fillRect(x(t * 1e6), 0, 1, height - AXIS); g.globalAlpha = 0.8;
      if (x(t * 1e6) + g.measureText(text).width + 4 < w) g.fillText(text, x(t * 1e6) + 3, height - 6);
    }
    g.globalAlpha = 1;
  }

  drawLane(look, panel, top) {
    const { g, x, w, ink } = look, base = top + LANE - 5, y = (score) => base - score * (LANE - 10), { log } = this.owner;
    g.fillStyle = ink; g.globalAlpha = 0.2; g.fillRect(0, top, w, 1);
    g.fillStyle = panel.colour;
    for (const [a, b] of panel.spec.sightings) {
      const x1 = x(a * 1e6), wide = Math.max(2, x(b * 1e6) - x1);
      g.globalAlpha = 0.22; g.fillRect(x1, top + 1, wide, LANE - 2); g.globalAlpha = 0.6; g.fillRect(x1, top + 1, wide, 4);
    }
    g.globalAlpha = 1;
    this.drawCurve(look, panel, y);
    g.strokeStyle = ink; g.lineWidth = 1;
    const { enter_threshold: enter, exit_threshold: exit } = panel.spec;
    for (const [value, dash] of exit < enter ? [[enter, []], [exit, [4, 4]]] : [[enter, []]]) { g.globalAlpha = 0.55; g.setLineDash(dash); g.beginPath(); g.moveTo(0, y(value)); g.lineTo(w, y(value)); g.stroke(); }
    g.setLineDash([]); g.globalAlpha = 1;
    const mark = (i, tall) => { const x1 = x(log.pts_us[i]); g.fillRect(x1, base + 4 - tall, Math.max(2, x(log.pts_us[i + 1] ?? log.pts_us[i]) - x1), tall); };
    g.fillStyle = UNSEEN; for (const i of panel.unseen) mark(i, 4);
    g.fillStyle = FAILED; for (const i of Object.keys(log.failed)) mark(Number(i), 7);
    this.label(look, panel.spec.phrase, top + 7);
  }

  label({ g, w, ink, paper }, text, top) {
    g.font = "600 12px sans-serif";
    const wide = Math.min(w - 10, g.measureText(text).width + 8);
    g.fillStyle = paper; g.globalAlpha = 0.82; g.fillRect(4, top, wide, 16); g.globalAlpha = 1;
    g.fillStyle = ink; g.fillText(text, 8, top + 12, w - 18);
  }

  // One stroke a pixel column, lowest to highest, where samples are dense.
  drawCurve({ g, x, w }, panel, y) {
    const { pts_us: pts } = this.owner.log, curve = panel.curve, dense = pts.length > 2 * w;
    g.strokeStyle = panel.colour; g.lineWidth = 1.75; g.beginPath();
    let pen = false, column = -1, high = 0, low = 1;
    const stroke = () => { if (column >= 0) { g.moveTo(column + 0.5, y(low) + 0.5); g.lineTo(column + 0.5, y(high) - 0.5); } };
    for (let i = 0; i < pts.length; i++) {
      const score = curve[i], px = x(pts[i]);
      if (Number.isNaN(score)) { pen = false; continue; }
      if (!dense) {
        if (pen) g.lineTo(px, y(score)); else { g.moveTo(px, y(score)); if (Number.isNaN(curve[i + 1] ?? NaN)) g.lineTo(px + 2, y(score)); }
        pen = true;
      } else if (Math.floor(px) !== column) { stroke(); column = Math.floor(px); high = low = score; } else { high = Math.max(high, score); low = Math.min(low, score); }
    }
    stroke(); g.stroke();
  }
}
