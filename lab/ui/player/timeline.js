// The zoomable timeline: a lane per label with its curve, thresholds, sightings and failures.
export const LANE_PX = 62, AXIS_PX = 20, NOTE_PX = 16;

export class Timeline {
  constructor(model, stage, root) {
    this.model = model; this.stage = stage; this.canvas = root.querySelector(".timeline"); this.root = root;
    this.from = 0; this.to = 1;
    const redraw = () => { if (!this.queued) { this.queued = true; requestAnimationFrame(() => { this.queued = false; this.draw(); }); } };
    for (const name of ["opened", "rule", "sightings", "log", "time", "blind"]) model.addEventListener(name, redraw);
    new ResizeObserver(redraw).observe(this.canvas);
    const c = this.canvas;
    c.addEventListener("wheel", (e) => { e.preventDefault(); if (e.shiftKey) this.pan(e.deltaY / 800); else this.zoom(e.deltaY > 0 ? 1.25 : 0.8, this.time(e)); redraw(); }, { passive: false });
    c.addEventListener("pointerdown", (e) => {
      c.setPointerCapture(e.pointerId);
      const edge = this.edge(e);
      if (edge) { this.annotate.startDrag(edge); return; }
      this.dragging = true; stage.seek(this.time(e));
    });
    c.addEventListener("pointermove", (e) => {
      if (this.annotate?.drag) this.annotate.moveDrag(this.time(e));
      else if (this.dragging) stage.seek(this.time(e));
      else c.style.cursor = this.edge(e) ? "ew-resize" : "crosshair";
    });
    c.addEventListener("pointerup", () => { if (this.annotate?.drag) this.annotate.endDrag(); this.dragging = false; });
    c.addEventListener("dblclick", () => { this.whole(); redraw(); });
  }

  edge(e) { const r = this.canvas.getBoundingClientRect(); return this.annotate?.edgeAt(e.clientX - r.left, e.clientY - r.top, this.model.shown()); }

  whole() { const d = this.model.data; this.from = d.first_pts_us / 1e6; this.to = Math.max(this.from + 0.1, d.end_us / 1e6); this.full = [this.from, this.to]; }
  x(s) { return (s - this.from) / (this.to - this.from) * this.width; }
  time(e) { const r = this.canvas.getBoundingClientRect(); return this.from + (e.clientX - r.left) / r.width * (this.to - this.from); }

  zoom(factor, around) {
    const span = Math.min(this.full[1] - this.full[0], Math.max(0.5, (this.to - this.from) * factor));
    const share = (around - this.from) / (this.to - this.from);
    this.from = around - share * span; this.to = this.from + span;
    this.pan(0);
  }
  pan(share) {
    const span = this.to - this.from;
    this.from = Math.min(this.full[1] - span, Math.max(this.full[0], this.from + share * span));
    this.to = this.from + span;
  }

  draw() {
    const m = this.model, c = this.canvas;
    if (!m.log) c.getContext("2d").clearRect(0, 0, c.width, c.height);
    if (!m.log || !this.full) return;
    const lanes = m.shown(), ratio = devicePixelRatio || 1;
    const on = m.seen.filter((s) => m.isOn(s.name)).length, more = on > lanes.length;
    const height = AXIS_PX + Math.max(1, lanes.length) * LANE_PX + (more ? NOTE_PX : 0);
    c.style.height = `${height}px`;
    this.width = c.clientWidth;
    if (!this.width) return;
    c.width = Math.round(this.width * ratio); c.height = Math.round(height * ratio);
    const g = c.getContext("2d"), style = getComputedStyle(this.root);
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.ink = style.color; this.paper = style.getPropertyValue("--st-background-color") || "#fff";
    g.font = "11px sans-serif";
    this.axis(g, height - (more ? NOTE_PX : 0));
    lanes.forEach((label, i) => this.lane(g, label, i * LANE_PX));
    if (!lanes.length) { g.fillStyle = this.ink; g.fillText("No label is chosen, or nothing was detected above the floor.", 10, 30); }
    if (more) {
      const text = `${lanes.length} of ${on} labels drawn; choose labels to see others`;
      g.fillStyle = this.ink; g.fillText(text, Math.max(4, this.width - g.measureText(text).width - 4), height - 5);
    }
    const x = this.x(this.stage.pts_s);
    g.strokeStyle = "#ef4444"; g.lineWidth = 1.5; g.beginPath(); g.moveTo(x, 0); g.lineTo(x, height); g.stroke();
  }

  axis(g, height) {
    const span = this.to - this.from, least = span / Math.max(2, this.width / 90);
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600].find((s) => s >= least) || 7200;
    g.fillStyle = this.ink; g.strokeStyle = this.ink;
    for (let t = Math.ceil(this.from / step) * step; t <= this.to; t += step) {
      const x = this.x(t);
      g.globalAlpha = 0.15; g.fillRect(x, 0, 1, height - AXIS_PX); g.globalAlpha = 0.8;
      const label = t >= 60 ? `${Math.floor(t / 60)}:${(t % 60).toFixed(step < 1 ? 1 : 0).padStart(step < 1 ? 4 : 2, "0")}` : `${t.toFixed(step < 1 ? 1 : 0)} s`;
      if (x + g.measureText(label).width + 4 < this.width) g.fillText(label, x + 3, height - 6);
    }
    g.globalAlpha = 1;
  }

  lane(g, label, top) {
    const m = this.model, base = top + LANE_PX - 4, tall = LANE_PX - 12, colour = m.colour(label), rule = m.of(label).debounce;
    const y = (score) => base - score * tall;
    for (const s of (m.answer && !m.blind ? m.answer.sightings : [])) {
      if (s.label !== label) continue;
      const x1 = this.x(s.onset_s), x2 = Math.max(x1 + 2, this.x(s.offset_s));
      g.fillStyle = colour; g.globalAlpha = 0.16;
      g.fillRect(this.x(s.onset_earliest_s), top + 4, this.x(s.offset_latest_s) - this.x(s.onset_earliest_s), LANE_PX - 8);
      g.globalAlpha = s.alert_s === null ? 0.25 : 0.45;
      g.fillRect(x1, top + 4, x2 - x1, 6);
      g.globalAlpha = 0.22; g.fillRect(x1, top + 4, x2 - x1, LANE_PX - 8);
      g.globalAlpha = 1;
      if (s.alert_s !== null) { g.beginPath(); g.arc(this.x(s.alert_s), top + 7, 3, 0, 7); g.fillStyle = this.ink; g.fill(); }
    }
    if (!m.blind) this.curve(g, m.curve(label), y, colour);
    this.annotate?.drawLane(g, label, top);
    g.lineWidth = 1; g.strokeStyle = this.ink;
    for (const [value, dash] of [[rule.enter_threshold, []], [rule.exit_threshold, [4, 4]]]) {
      g.setLineDash(dash); g.globalAlpha = 0.7; g.beginPath(); g.moveTo(0, y(value)); g.lineTo(this.width, y(value)); g.stroke();
    }
    g.setLineDash([]); g.globalAlpha = 1;
    g.fillStyle = "#ef4444";
    for (const i of Object.keys(m.log.failed)) g.fillRect(this.x(m.pts[i] / 1e6) - 1, base - 4, 3, 8);
    g.fillStyle = "#94a3b8"; // held back by a gate, or not looked at yet
    for (const i of [...Object.keys(m.log.gated), ...(m.log.missing[label] || [])]) g.fillRect(this.x(m.pts[i] / 1e6), base + 1, Math.max(1, this.x((m.pts[+i + 1] || m.pts[i]) / 1e6) - this.x(m.pts[i] / 1e6)), 3);
    g.font = "600 12px sans-serif";
    const wide = g.measureText(label).width;
    g.fillStyle = this.paper; g.globalAlpha = 0.8; g.fillRect(3, top + 10, wide + 7, 17); g.globalAlpha = 1;
    g.fillStyle = this.ink; g.fillText(label, 6, top + 23); g.font = "11px sans-serif";
  }

  // One vertical stroke a pixel column (lowest to highest) where samples are dense.
  curve(g, curve, y, colour) {
    const m = this.model, pts = m.pts;
    const first = Math.max(0, m.sampleAt(this.from * 1e6)), last = Math.min(pts.length - 1, m.sampleAt(this.to * 1e6) + 1);
    g.strokeStyle = colour; g.lineWidth = 1.5; g.beginPath();
    const dense = (last - first) > 2 * this.width;
    let pen = false, column = -1, high = 0, low = 1;
    for (let i = first; i <= last; i++) {
      if (Number.isNaN(curve[i])) { pen = false; continue; }
      const x = this.x(pts[i] / 1e6);
      if (!dense) { if (pen) g.lineTo(x, y(curve[i])); else g.moveTo(x, y(curve[i])); pen = true; continue; }
      if (Math.floor(x) !== column) {
        if (column >= 0) { g.moveTo(column, y(low)); g.lineTo(column, y(high) - 1); }
        column = Math.floor(x); high = low = curve[i];
      } else { high = Math.max(high, curve[i]); low = Math.min(low, curve[i]); }
    }
    g.stroke();
  }
}
