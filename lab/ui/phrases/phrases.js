// One video, drawn once for each phrase: all panels are on the same frame by construction.
import { element, seconds } from "../player/formatting.js";
import { jsonPost, Requests } from "../player/requests.js";
import { FAILED, Lanes, THERE, UNSEEN } from "./lanes.js";
import { fillMoments, fillTable } from "./table.js";

export const COLOURS = ["#0ea5e9", "#f59e0b", "#e879f9", "#a3a33a", "#8b5cf6", "#14b8a6"];
export const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4], NEAR_US = 1500;

export class Phrases {
  constructor(root) {
    this.root = root; this.pts_us = 0; this.presented = 0; this.panels = []; this.log = null; this.requests = new Requests();
    for (const name of ["video", ".bar", ".note", ".lanes", ".legend", "table", ".source", ".moments"]) this[name.replace(".", "")] = root.querySelector(name);
    const next = (_, frame) => { this.present(frame.mediaTime * 1e6); this.video.requestVideoFrameCallback(next); };
    this.video.requestVideoFrameCallback(next);
    for (const name of ["play", "pause"]) this.video.addEventListener(name, () => this.showPlay());
    this.video.addEventListener("error", () => { if (this.data?.src) { this.isBroken = true; if (this.heading !== undefined) this.pts_us = this.heading * 1e6; this.say("This browser cannot play the clip; scores and sightings are complete."); this.queue(); } });
    // A browser need not announce the frame of a video that is scrolled out of sight.
    for (const name of ["loadeddata", "seeked"]) this.video.addEventListener(name, () => { const n = this.presented; setTimeout(() => { if (n === this.presented) this.assume(); }, 150); });
    this.buildBar(); this.buildLegend();
    this.lanes = new Lanes(this, this.lanes);
    root.addEventListener("keydown", (e) => this.key(e));
    root.addEventListener("transitionend", (e) => { if (e.target === root) this.queue(); }); // another theme
    new ResizeObserver(() => this.queue()).observe(root);
    addEventListener("resize", () => this.queue());
  }

  say(text) { this.note.textContent = text; }

  // ---- what Python says

  async load(data) {
    const before = this.data, clip = `${data.media_id} ${data.src}`;
    this.data = data;
    delete this.root.dataset.ready;
    if (clip !== this.clip) this.loadClip(data, before?.media_id === data.media_id ? this.pts_us : data.first_pts_us);
    this.clip = clip;
    this.buildPanels(); fillTable(this); fillMoments(this);
    const address = `/api/runs/${data.run_id}/log?v=${data.log_v}`;
    if (address !== this.address && !await this.loadLog(address)) return;
    this.panels.forEach((p) => this.take(p));
    this.root.dataset.ready = "yes";
    this.draw();
  }

  // Whether the log that is to be shown has come; until then nothing of another is.
  async loadLog(address) {
    this.log = this.address = null;
    for (const panel of this.panels) panel.score.textContent = panel.state.textContent = "";
    const answer = await this.requests.send("log", address);
    if (!answer) return false;
    if (!answer.ok) { this.say(answer.body); return false; }
    this.address = address; this.log = answer.body;
    return true;
  }

  loadClip(data, at_us) {
    this.offset_us = data.browser_offset_us; this.pts_us = at_us; this.isBroken = false;
    this.heading = undefined; this.wanted = at_us > data.first_pts_us ? at_us / 1e6 : undefined;
    this.say(data.src ? "" : data.src_wait);
    if (data.src) { this.video.src = data.src; if (this.offset_us !== null && this.wanted !== undefined) { this.seek(this.wanted); this.wanted = undefined; } }
    else { this.video.removeAttribute("src"); this.video.load(); }
  }

  // A phrase's boxes by sample, and its score on every sample: NaN where it was not looked at.
  take(panel) {
    const { log } = this, spec = panel.spec, l = log.labels.indexOf(spec.phrase), dropped = new Set(spec.left_out);
    panel.boxes = new Map(); panel.curve = new Float32Array(log.pts_us.length);
    log.sample.forEach((s, i) => {
      if (log.label[i] !== l) return;
      const box = { at: log.box.slice(4 * i, 4 * i + 4), confidence: log.confidence[i], counts: !dropped.has(i) };
      if (panel.boxes.has(s)) panel.boxes.get(s).push(box); else panel.boxes.set(s, [box]);
      if (box.counts && box.confidence > panel.curve[s]) panel.curve[s] = box.confidence;
    });
    panel.unseen = [...Object.keys(log.gated), ...(log.missing[spec.phrase] || [])].map(Number);
    for (const i of [...panel.unseen, ...Object.keys(log.failed)]) panel.curve[i] = NaN;
    panel.canvas.setAttribute("aria-label", `Picture with the boxes of ${spec.phrase}`);
  }

  // ---- elements

  buildBar() {
    const button = (text, title, act) => { const b = element("button", { textContent: text, title, ariaLabel: title }); b.onclick = () => { act(); this.root.focus({ preventScroll: true }); }; this.bar.append(b); return b; };
    this.play = button("▶", "Play or pause (space)", () => this.toggle());
    button("◀|", "Frame back (left arrow)", () => this.step(-1)); button("|▶", "Frame forward (right arrow)", () => this.step(1));
    button("◀◀|", "Sample back (shift and left arrow)", () => this.stepSample(-1)); button("|▶▶", "Sample forward (shift and right arrow)", () => this.stepSample(1));
    button("[", "Previous disagreement ([)", () => this.jump(-1)); button("]", "Next disagreement (])", () => this.jump(1));
    this.time = element("span", { className: "time" });
    this.speed = element("select", { ariaLabel: "Speed" }, ...SPEEDS.map((s) => element("option", { value: s, textContent: `${s}×`, selected: s === 1 })));
    this.speed.onchange = () => { this.video.defaultPlaybackRate = this.video.playbackRate = Number(this.speed.value); };
    this.bar.append(this.time, this.speed);
  }

  buildLegend() {
    const swatch = (colour, text) => { const i = element("i", { ariaHidden: "true" }); i.style.background = colour; return element("span", {}, i, text); };
    this.legend.append(swatch("#0ea5e966", "sighting"), swatch(THERE, "annotated; in a panel: a sighting now"), swatch(FAILED, "failed sample"), swatch(UNSEEN, "not looked at"),
      element("span", { textContent: "Lines: enter threshold, dashed exit. Boxes: solid over enter, dashed between, dotted under exit, grey left out by the rule." }));
  }

  buildPanels() {
    const box = this.root.querySelector(".panels"), shown = this.data.panels.map((p) => p.phrase).join("\n");
    if (shown !== this.shown) {
      box.replaceChildren();
      this.panels = this.data.panels.map((spec, i) => {
        const canvas = element("canvas", { role: "img" }), score = element("span", { className: "score" }), state = element("span", { className: "state" });
        const dot = element("i", { ariaHidden: "true" });
        dot.style.background = COLOURS[i];
        canvas.onclick = () => { this.toggle(); this.root.focus({ preventScroll: true }); };
        box.append(element("figure", {}, element("figcaption", {}, dot, element("span", { className: "name", textContent: spec.phrase, title: spec.phrase }), state, score), canvas));
        return { canvas, score, state, colour: COLOURS[i] };
      });
      box.classList.toggle("three", ![2, 4].includes(this.panels.length));
      this.shown = shown;
    }
    this.panels.forEach((p, i) => { p.spec = this.data.panels[i]; });
  }

  // ---- time

  // Media time of the frame that the browser shows now.
  present(media_us) {
    const d = this.data;
    if (!d || !d.src || this.video.readyState === 0) return;
    this.presented += 1;
    if (this.offset_us === null || this.offset_us === undefined) { // the first frame presented is the first of the file
      this.offset_us = Math.round(media_us) - d.first_pts_us;
      fetch(`/api/media/${d.media_id}/offset`, jsonPost({ offset_us: this.offset_us }));
      if (this.wanted !== undefined) { const s = this.wanted; this.wanted = undefined; this.seek(s); }
    }
    this.pts_us = media_us - this.offset_us;
    this.draw();
  }

  // Nothing was announced: the frame is that of the last seek.
  assume() {
    if (!this.data?.src || this.video.seeking) return;
    this.offset_us ??= 0;
    if (this.wanted !== undefined) { const s = this.wanted; this.wanted = undefined; this.seek(s); return; }
    if (this.video.paused && this.heading !== undefined) this.pts_us = this.heading * 1e6;
    this.draw();
  }

  get hasVideo() { return Boolean(this.data.src) && !this.isBroken; }
  get now_s() { return this.hasVideo && this.video.seeking && this.heading !== undefined ? this.heading : this.pts_us / 1e6; }

  seek(s) {
    const d = this.data, least = d.first_pts_us / 1e6, at = Math.min(Math.max(least, d.end_us / 1e6 - 0.001), Math.max(least, s));
    this.heading = at;
    if (!this.hasVideo) { this.pts_us = at * 1e6; this.queue(); return; }
    if (this.offset_us === null || this.offset_us === undefined) { this.wanted = at; return; }
    // Half a millisecond in: a seek to a frame's own time may round to the one before.
    this.video.currentTime = Math.max(0, at + this.offset_us / 1e6 + 0.0005);
  }

  step(n) { this.video.pause(); this.seek(this.now_s + n / (this.data.frame_rate || 25)); }
  jumpBy(s) { this.video.pause(); this.seek(this.now_s + s); }
  stepSample(n) { this.video.pause(); if (!this.log) return; const at = this.sampleAt(this.now_s * 1e6) + n; if (at >= 0 && at < this.log.pts_us.length) this.seek(this.log.pts_us[at] / 1e6); }
  toggle() { if (!this.hasVideo) return; if (this.video.paused) this.video.play().catch(() => {}); else this.video.pause(); }
  showPlay() { this.play.textContent = this.video.paused ? "▶" : "❚❚"; }
  jump(way) {
    const now = this.now_s, all = this.data.moments.map((m) => m.pts_s).sort((a, b) => a - b);
    const next = way > 0 ? all.find((t) => t > now + 0.01) : all.findLast((t) => t < now - 0.01);
    if (next !== undefined) { this.video.pause(); this.seek(next); }
  }

  key(e) {
    if (e.metaKey || e.altKey || e.ctrlKey || !this.data || e.composedPath()[0].tagName === "SELECT") return;
    const acts = {
      " ": () => this.toggle(), ArrowLeft: () => (e.shiftKey ? this.stepSample(-1) : this.step(-1)), ArrowRight: () => (e.shiftKey ? this.stepSample(1) : this.step(1)),
      ArrowUp: () => this.jumpBy(1), ArrowDown: () => this.jumpBy(-1), PageDown: () => this.jumpBy(10), PageUp: () => this.jumpBy(-10), "[": () => this.jump(-1), "]": () => this.jump(1),
    };
    if (acts[e.key] && !(e.key === " " && e.composedPath()[0].tagName === "BUTTON")) { e.preventDefault(); e.stopPropagation(); acts[e.key](); }
  }

  // Position of the last sample at or before a time; -1 before the first.
  sampleAt(pts_us) {
    const pts = this.log.pts_us;
    let low = 0, high = pts.length;
    while (low < high) { const mid = (low + high) >> 1; if (pts[mid] <= pts_us + NEAR_US) low = mid + 1; else high = mid; }
    return low - 1;
  }

  // ---- drawing

  queue() { if (!this.queued) { this.queued = true; requestAnimationFrame(() => { this.queued = false; this.draw(); }); } }

  draw() {
    const d = this.data;
    if (!d) return;
    this.time.textContent = `${seconds(this.pts_us / 1e6)} / ${seconds(d.end_us / 1e6)}`;
    const at = this.log ? this.sampleAt(this.pts_us) : -1;
    for (const panel of this.panels) this.drawPanel(panel, at);
    this.lanes.draw();
    this.root.dataset.pts = (this.pts_us / 1e6).toFixed(3);
  }

  drawPanel(panel, at) {
    const c = panel.canvas, [pw, ph] = this.data.size_px, w = c.clientWidth, ratio = devicePixelRatio || 1;
    if (!w) return;
    const h = Math.round(Math.min(w * ph / pw, Math.max(160, innerHeight * (this.root.clientWidth < 560 ? 0.3 : 0.42)))), scale = Math.min(w / pw, h / ph);
    if (c.width !== Math.round(w * ratio) || c.height !== Math.round(h * ratio)) { c.width = Math.round(w * ratio); c.height = Math.round(h * ratio); c.style.height = `${h}px`; }
    const g = c.getContext("2d"), left = (w - pw * scale) / 2, top = (h - ph * scale) / 2;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.fillStyle = "#000"; g.fillRect(0, 0, w, h);
    const hasPicture = this.hasVideo && this.video.readyState >= 2;
    if (hasPicture) g.drawImage(this.video, left, top, pw * scale, ph * scale);
    c.dataset.picture = hasPicture ? "yes" : "no";
    c.dataset.pts = (this.pts_us / 1e6).toFixed(3);
    c.dataset.sample = at; c.dataset.boxes = 0; c.dataset.sighting = "no";
    if (!this.log || !panel.curve) return;
    if (at >= 0 && !this.log.whole_frame) this.drawBoxes(g, panel, at, [left, top, scale, w]);
    if (panel.spec.sightings.some(([a, b]) => a * 1e6 <= this.pts_us + NEAR_US && this.pts_us <= b * 1e6 + NEAR_US)) {
      g.strokeStyle = THERE; g.lineWidth = 5; g.setLineDash([]); g.strokeRect(2.5, 2.5, w - 5, h - 5); c.dataset.sighting = "yes";
    }
    this.showScore(panel, at);
  }

  drawBoxes(g, panel, at, [left, top, scale, w]) {
    const { enter_threshold: enter, exit_threshold: exit } = panel.spec, boxes = panel.boxes.get(at) || [];
    g.globalAlpha = this.pts_us - this.log.pts_us[at] < NEAR_US ? 1 : 0.5; // between samples the last one is shown, faint
    g.font = "600 12px sans-serif";
    for (const { at: [x1, y1, x2, y2], confidence, counts } of boxes) {
      const over = counts && confidence >= enter, stays = counts && confidence >= exit, x = left + x1 * scale, y = top + y1 * scale;
      g.strokeStyle = g.fillStyle = counts ? panel.colour : "#999";
      g.lineWidth = over ? 2.5 : 1.5; g.setLineDash(over ? [] : stays ? [7, 4] : [2, 3]);
      g.strokeRect(x, y, (x2 - x1) * scale, (y2 - y1) * scale);
      const text = confidence.toFixed(2), wide = g.measureText(text).width + 6, lx = Math.max(0, Math.min(x, w - wide)), ly = Math.max(0, y - 16);
      g.fillRect(lx, ly, wide, 16); g.fillStyle = "#000"; g.fillText(text, lx + 3, ly + 12);
    }
    g.globalAlpha = 1; g.setLineDash([]);
    panel.canvas.dataset.boxes = boxes.length;
  }

  showScore(panel, at) {
    const score = at < 0 ? NaN : panel.curve[at], { enter_threshold: enter, exit_threshold: exit } = panel.spec;
    const why = at < 0 ? "before the first sample" : at in this.log.failed ? "failed sample" : "not looked at";
    const over = score >= enter - 1e-6, stays = score >= exit - 1e-6;
    panel.score.textContent = Number.isNaN(score) ? "–" : score.toFixed(2);
    panel.score.className = `score${over ? "" : " under"}`;
    panel.state.textContent = Number.isNaN(score) ? why : over ? `over ${enter.toFixed(2)}` : stays ? "between" : `under ${exit.toFixed(2)}`;
    panel.state.title = this.log.failed[at] || this.log.gated[at] || "";
  }
}

export default function (component) {
  const { data, parentElement } = component;
  if (!parentElement.phrases) parentElement.phrases = new Phrases(parentElement.querySelector(".phrases"));
  const phrases = parentElement.phrases, key = JSON.stringify(data);
  if (key !== phrases.told) { phrases.told = key; phrases.load(data); }
}
