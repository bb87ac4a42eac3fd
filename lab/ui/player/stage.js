// The video and the boxes over it. Time is media time: pts = the browser's mediaTime - offset.
import { jsonPost } from "./requests.js";

export class Stage {
  constructor(model, root) {
    this.model = model; this.video = root.querySelector("video");
    this.canvas = root.querySelector(".overlay"); this.message = root.querySelector(".message");
    this.overlayOn = true; this.weakOn = false; this.drawing = null; this.loop = null; this.pts_us = 0; this.offset_us = null;
    const next = (_, frame) => { this.present(frame.mediaTime * 1e6); this.video.requestVideoFrameCallback(next); };
    this.video.requestVideoFrameCallback(next);
    this.video.addEventListener("error", () => this.tell("This browser cannot play the clip. The scores and sightings below are complete."));
    this.video.addEventListener("loadeddata", () => this.tell(null));
    this.canvas.addEventListener("click", (e) => this.click(e));
    this.canvas.addEventListener("dblclick", () => this.endZone(true));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    for (const name of ["opened", "rule", "sightings", "log"]) model.addEventListener(name, () => this.draw());
  }

  load(data) {
    if (this.data?.run_id !== data.run_id) this.clear();
    this.data = data;
    this.offset_us = data.browser_offset_us;
    const [w, h] = data.size_px;
    this.video.style.aspectRatio = `${w} / ${h}`;
    this.canvas.parentElement.style.maxWidth = `calc(62vh * ${w / h})`; // whole, never stretched
    this.pts_us = data.first_pts_us;
    if (data.src) { this.tell("Loading the clip…"); this.video.src = data.src; } else { this.video.removeAttribute("src"); this.tell(data.src_wait); }
  }

  // Nothing of the run before is left.
  clear() {
    Object.assign(this, { loop: null, drawing: null, heading: undefined, wanted: undefined });
    this.canvas.dataset.boxes = 0;
  }

  tell(text) { this.message.hidden = !text; this.message.textContent = text || ""; }

  present(media_us) {
    if (this.video.readyState === 0) return; // of the clip before: nothing of this one is loaded yet
    if (this.offset_us === null || this.offset_us === undefined) {
      // The first frame that the browser presents is the first of the file.
      this.offset_us = Math.round(media_us) - this.data.first_pts_us;
      fetch(`/api/media/${this.data.media_id}/offset`, jsonPost({ offset_us: this.offset_us }));
      if (this.wanted !== undefined) { const s = this.wanted; this.wanted = undefined; this.seek(s); }
    }
    this.pts_us = media_us - this.offset_us;
    if (this.loop && this.pts_us > this.loop[1] * 1e6 + 1000) { this.seek(this.loop[0]); }
    this.draw();
    this.model.say("time");
  }

  get pts_s() { return this.pts_us / 1e6; }

  seek(pts_s) {
    const d = this.data, least = d.first_pts_us / 1e6, most = Math.max(least, d.end_us / 1e6 - 0.001);
    const s = Math.min(most, Math.max(least, pts_s));
    this.heading = s;
    if (!d.src) { this.pts_us = s * 1e6; this.model.say("time"); return; }
    if (this.offset_us === null || this.offset_us === undefined) { this.wanted = s; return; }
    // Half a millisecond in: a seek to a frame's own time may round to the one before.
    this.video.currentTime = Math.max(0, s + this.offset_us / 1e6 + 0.0005);
  }

  step(frames) { this.video.pause(); this.seek((this.video.seeking ? this.heading : this.pts_s) + frames / (this.data.frame_rate || 25)); }
  // Seconds on or back, from where the last seek is going, so that keys may come fast.
  jumpBy(s) { this.video.pause(); this.seek((this.video.seeking ? this.heading : this.pts_s) + s); }
  stepSample(n) {
    this.video.pause();
    const at = this.model.sampleAt(this.pts_us) + n, pts = this.model.pts;
    if (at >= 0 && at < pts.length) this.seek(pts[at] / 1e6);
  }
  toggle() { if (this.video.paused) this.video.play(); else this.video.pause(); }

  draw() {
    const c = this.canvas, ratio = devicePixelRatio || 1, w = c.clientWidth, h = c.clientHeight;
    if (!w) return;
    if (c.width !== Math.round(w * ratio) || c.height !== Math.round(h * ratio)) { c.width = Math.round(w * ratio); c.height = Math.round(h * ratio); }
    const g = c.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, w, h);
    const m = this.model;
    if (!m.log || !this.data || !this.data.src) return;
    if (m.blind) this.canvas.dataset.boxes = 0;
    this.drawZones(g, w, h);
    if (this.overlayOn && !m.blind) this.drawBoxes(g, w, h);
  }

  drawBoxes(g, w, h) {
    const m = this.model, at = m.sampleAt(this.pts_us);
    let drawn = 0;
    if (at >= 0) {
      const age_us = this.pts_us - m.pts[at], exact = age_us < 1500;
      if (at in m.log.failed) this.flag(g, `failed sample: ${m.log.failed[at]}`);
      if (at in m.log.gated) this.flag(g, `not looked at: ${m.log.gated[at]}`, "#475569");
      const [pw, ph] = this.data.size_px, next = at + 1 < m.pts.length ? m.pts[at + 1] - m.pts[at] : Infinity;
      if (exact || age_us < Math.min(next, 3e6)) {
        g.globalAlpha = exact ? 1 : 0.45; // between samples the last one is shown, faint
        const found = m.detectionsAt(at);
        if (m.log.whole_frame) drawn = this.drawScores(g, found);
        else for (const d of found) drawn += this.drawBox(g, d, w / pw, h / ph);
        g.globalAlpha = 1;
      }
    }
    this.canvas.dataset.boxes = drawn;
  }

  drawBox(g, d, sx, sy) {
    const m = this.model;
    if (!m.isOn(d.label)) return 0;
    const rule = m.of(d.label).debounce, ok = m.passes(d);
    const over = ok && d.confidence >= rule.enter_threshold, stays = ok && d.confidence >= rule.exit_threshold;
    if (!stays && !this.weakOn) return 0;
    const [x1, y1, x2, y2] = d.box, colour = m.colour(d.label);
    g.strokeStyle = ok ? colour : "#999";
    g.lineWidth = over ? 2.5 : 1.5;
    g.setLineDash(over ? [] : stays ? [6, 3] : [2, 3]);
    g.strokeRect(x1 * sx, y1 * sy, (x2 - x1) * sx, (y2 - y1) * sy);
    g.setLineDash([]);
    const text = `${d.label} ${d.confidence.toFixed(2)}${d.text && d.text !== d.label ? ` “${d.text.slice(0, 30)}”` : ""}`;
    g.font = "600 12px sans-serif";
    const width = g.measureText(text).width + 8, top = Math.max(0, y1 * sy - 17);
    const left = Math.max(0, Math.min(x1 * sx, this.canvas.clientWidth - width));
    g.fillStyle = ok ? colour : "#777";
    g.fillRect(left, top, width, 17);
    g.fillStyle = "#000";
    g.fillText(text, left + 4, top + 12.5);
    return 1;
  }

  // Scores of the whole picture: the strongest, as bars.
  drawScores(g, found) {
    const m = this.model, rows = found.filter((d) => m.isOn(d.label)).sort((a, b) => b.confidence - a.confidence).slice(0, 8);
    g.font = "600 12px sans-serif";
    rows.forEach((d, i) => {
      const top = 8 + i * 20, over = d.confidence >= m.of(d.label).debounce.enter_threshold;
      g.fillStyle = "rgba(0,0,0,.6)"; g.fillRect(8, top, 200, 18);
      g.fillStyle = m.colour(d.label); g.globalAlpha *= over ? 1 : 0.5; g.fillRect(8, top, 200 * d.confidence, 18); g.globalAlpha = 1;
      g.fillStyle = "#fff"; g.fillText(`${d.label} ${d.confidence.toFixed(2)}`, 13, top + 13);
    });
    return rows.length;
  }

  flag(g, text, colour = "#b91c1c") {
    g.fillStyle = colour; g.font = "600 13px sans-serif";
    g.fillRect(8, 8, g.measureText(text).width + 16, 24);
    g.fillStyle = "#fff"; g.fillText(text, 16, 25);
  }

  drawZones(g, w, h) {
    const f = this.model.edited().box_filter;
    const trace = (points, colour, closed) => {
      g.beginPath();
      points.forEach(([x, y], i) => (i ? g.lineTo(x * w, y * h) : g.moveTo(x * w, y * h)));
      if (closed) { g.closePath(); g.fillStyle = colour + "26"; g.fill(); }
      g.strokeStyle = colour; g.lineWidth = 2; g.stroke();
      for (const [x, y] of points) { g.fillStyle = colour; g.fillRect(x * w - 3, y * h - 3, 6, 6); }
    };
    for (const p of f.include) trace(p, "#22c55e", true);
    for (const p of f.exclude) trace(p, "#ef4444", true);
    if (this.drawing) trace(this.drawing.points, this.drawing.kind === "include" ? "#22c55e" : "#ef4444", false);
  }

  click(e) {
    if (!this.drawing) { this.toggle(); return; }
    const r = this.canvas.getBoundingClientRect();
    const at = (v, size) => Math.round(1e4 * Math.min(1, Math.max(0, v / size))) / 1e4;
    const point = [at(e.clientX - r.left, r.width), at(e.clientY - r.top, r.height)];
    const last = this.drawing.points.at(-1);
    if (!last || last[0] !== point[0] || last[1] !== point[1]) this.drawing.points.push(point);
    this.draw();
  }

  startZone(kind) { this.video.pause(); this.drawing = { kind, points: [] }; this.draw(); this.model.say("zone"); }
  endZone(keep) {
    const zone = this.drawing;
    if (!zone) return;
    this.drawing = null;
    if (keep && zone.points.length >= 3) {
      this.model.edit((r) => r.box_filter[zone.kind].push(zone.points));
      this.model.say("released");
    }
    this.draw(); this.model.say("zone");
  }
}
