// One video, drawn twice: both sides are on the same frame by construction.
import { element, seconds } from "../player/formatting.js";
import { Requests } from "../player/requests.js";

export class Duet {
  constructor(root) {
    this.requests = new Requests();
    this.root = root; this.video = root.querySelector("video");
    this.sides = ["left", "right"].map((name) => ({ canvas: root.querySelector(`.${name}`) }));
    this.strip = root.querySelector(".strip"); this.bar = root.querySelector(".bar"); this.note = root.querySelector(".note");
    const next = (_, frame) => { this.media_us = frame.mediaTime * 1e6; this.draw(); this.video.requestVideoFrameCallback(next); };
    this.video.requestVideoFrameCallback(next);
    const button = (text, title, act) => { const b = element("button", { textContent: text, title, ariaLabel: title }); b.onclick = act; this.bar.append(b); return b; };
    this.play = button("▶", "Play or pause (space)", () => this.toggle());
    button("◀|", "Frame back (left arrow)", () => this.step(-1)); button("|▶", "Frame forward (right arrow)", () => this.step(1));
    button("[", "Previous difference ([)", () => this.jump(-1)); button("]", "Next difference (])", () => this.jump(1));
    this.time = element("span", { className: "time" }); this.bar.append(this.time);
    this.strip.onpointerdown = (e) => { const r = this.strip.getBoundingClientRect(), d = this.data; this.seek((d.first_pts_us + (e.clientX - r.left) / r.width * (d.end_us - d.first_pts_us)) / 1e6); };
    for (const name of ["play", "pause"]) this.video.addEventListener(name, () => { this.play.textContent = this.video.paused ? "▶" : "❚❚"; });
    this.video.addEventListener("error", () => { if (this.data.src) this.note.textContent = "This browser cannot play the clip; the differences below are complete."; });
    root.addEventListener("keydown", (e) => { const acts = { " ": () => this.toggle(), ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), "[": () => this.jump(-1), "]": () => this.jump(1) }; if (acts[e.key] && !(e.key === " " && e.composedPath()[0].tagName === "BUTTON")) { e.preventDefault(); acts[e.key](); } });
    new ResizeObserver(() => this.draw()).observe(this.strip);
  }

  async load(data) {
    const other = !this.data || this.data.src !== data.src;
    this.data = data; this.media_us = data.first_pts_us + (data.browser_offset_us || 0);
    this.note.textContent = data.src ? "" : data.src_wait;
    if (other) { if (data.src) this.video.src = data.src; else this.video.removeAttribute("src"); }
    ["a", "b"].forEach((k) => { this.root.querySelector(`.${k}`).textContent = data[k].name; });
    this.sides.forEach((s, i) => { s.spec = data[i ? "b" : "a"]; s.log = null; });
    delete this.root.dataset.ready;
    const loaded = await Promise.all(this.sides.map((side, i) => this.loadSide(side, i)));
    if (loaded.every(Boolean)) this.root.dataset.ready = "yes";
    this.draw();
  }

  // Whether the log that is to be shown has come.
  async loadSide(side, i) {
    const { run_id, log_v } = side.spec;
    const answer = await this.requests.send(i, `/api/runs/${run_id}/log?v=${log_v}`);
    if (!answer) return false;
    if (!answer.ok) { this.note.textContent = answer.body; return false; }
    const log = side.log = answer.body;
    side.boxes = new Map();
    log.sample.forEach((s, at) => { if (log.labels[log.label[at]] === side.spec.label) side.boxes.set(s, [...(side.boxes.get(s) || []), at]); });
    return true;
  }

  get pts_us() { return this.media_us - (this.data.browser_offset_us || 0); }
  seek(s) { const d = this.data, at = Math.min(d.end_us / 1e6 - 0.001, Math.max(d.first_pts_us / 1e6, s)); this.media_us = at * 1e6 + (d.browser_offset_us || 0); if (d.src) this.video.currentTime = Math.max(0, at + (d.browser_offset_us || 0) / 1e6 + 0.0005); this.draw(); }
  step(n) { this.video.pause(); this.seek(this.pts_us / 1e6 + n / (this.data.frame_rate || 25)); }
  toggle() { if (this.video.paused) this.video.play().catch(() => {}); else this.video.pause(); }
  jump(way) { const now = this.pts_us / 1e6, all = this.data.differences; const next = way > 0 ? all.find((d) => d.start_s > now + 0.05) : all.findLast((d) => d.start_s < now - 0.05); if (next) this.seek(next.start_s); }

  draw() {
    if (!this.data) return;
    const d = this.data, ratio = devicePixelRatio || 1;
    this.time.textContent = `${seconds(this.pts_us / 1e6)} / ${seconds(d.end_us / 1e6)}`;
    for (const side of this.sides) this.drawSide(side, ratio);
    this.drawStrip(ratio);
  }

  drawSide(side, ratio) {
    const c = side.canvas, w = c.clientWidth, h = Math.round(w * this.data.size_px[1] / this.data.size_px[0]);
    if (!w) return;
    if (c.width !== Math.round(w * ratio)) { c.width = Math.round(w * ratio); c.height = Math.round(h * ratio); }
    const g = c.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (this.data.src && this.video.readyState >= 2) g.drawImage(this.video, 0, 0, w, h); else { g.fillStyle = "#000"; g.fillRect(0, 0, w, h); }
    if (!side.log) return;
    const pts = side.log.pts_us;
    let low = 0, high = pts.length;
    while (low < high) { const mid = (low + high) >> 1; if (pts[mid] <= this.pts_us + 1500) low = mid + 1; else high = mid; }
    const at = low - 1;
    c.dataset.boxes = 0;
    if (at < 0) return;
    g.globalAlpha = this.pts_us - pts[at] < 1500 ? 1 : 0.5;
    for (const i of side.boxes.get(at) || []) {
      const conf = side.log.confidence[i], [x1, y1, x2, y2] = side.log.box.slice(4 * i, 4 * i + 4), over = conf >= side.spec.enter_threshold;
      if (conf < side.spec.exit_threshold) continue;
      const [pw, ph] = this.data.size_px;
      g.strokeStyle = "#0ea5e9"; g.lineWidth = over ? 2.5 : 1.5; g.setLineDash(over ? [] : [6, 3]);
      g.strokeRect(x1 / pw * w, y1 / ph * h, (x2 - x1) / pw * w, (y2 - y1) / ph * h);
      g.setLineDash([]); g.font = "600 12px sans-serif"; g.fillStyle = "#0ea5e9"; g.fillText(conf.toFixed(2), x1 / pw * w + 3, Math.max(12, y1 / ph * h - 4));
      c.dataset.boxes = Number(c.dataset.boxes) + 1;
    }
    g.globalAlpha = 1;
    if (side.spec.sightings.some((s) => s.onset_s * 1e6 <= this.pts_us + 1500 && this.pts_us <= s.offset_s * 1e6 + 1500)) { g.strokeStyle = "#22c55e"; g.lineWidth = 4; g.strokeRect(2, 2, w - 4, h - 4); }
  }

  drawStrip(ratio) {
    const c = this.strip, d = this.data, w = c.clientWidth, h = c.clientHeight;
    c.width = Math.round(w * ratio); c.height = Math.round(h * ratio);
    const g = c.getContext("2d"), x = (s) => (s * 1e6 - d.first_pts_us) / (d.end_us - d.first_pts_us) * w, ink = getComputedStyle(this.root).color;
    g.setTransform(ratio, 0, 0, ratio, 0, 0); g.font = "11px sans-serif";
    this.sides.forEach((side, i) => { g.fillStyle = ink; g.fillText(i ? "B" : "A", 4, 20 + i * 22); g.fillStyle = "#0ea5e9"; for (const s of side.spec?.sightings || []) g.fillRect(x(s.onset_s), 8 + i * 22, Math.max(2, x(s.offset_s) - x(s.onset_s)), 14); });
    for (const f of d.differences) { g.fillStyle = "#f59e0b"; g.fillRect(x(f.start_s), 54, Math.max(3, x(f.end_s) - x(f.start_s)), 10); }
    g.strokeStyle = "#ef4444"; g.beginPath(); g.moveTo(x(this.pts_us / 1e6), 0); g.lineTo(x(this.pts_us / 1e6), h); g.stroke();
  }
}

export default function (component) {
  const { data, parentElement } = component;
  if (!parentElement.duet) parentElement.duet = new Duet(parentElement.querySelector(".duet"));
  const duet = parentElement.duet, key = JSON.stringify([data.a, data.b, data.src]);
  if (key !== duet.key) { duet.key = key; duet.load(data); }
  if (data.seek && data.seek.n !== duet.seekN) { duet.seekN = data.seek.n; duet.seek(data.seek.t); }
}
