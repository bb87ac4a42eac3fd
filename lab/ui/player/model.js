// What the player knows: the score log, the rule, and the sightings that the server found.
import { Requests } from "./requests.js";

export const PALETTE = ["#0ea5e9", "#f59e0b", "#22c55e", "#e879f9", "#ef4444", "#a3a33a", "#8b5cf6", "#14b8a6", "#f472b6", "#84cc16", "#fb923c", "#64748b"];

export class Model extends EventTarget {
  constructor() {
    super();
    this.log = null; this.rule = null; this.seen = []; this.answer = null; this.error = null;
    this.isOutdated = false; this.scope = ""; this.curves = new Map(); this.requests = new Requests();
  }

  say(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }

  load(data) {
    const isOther = !this.data || this.data.run_id !== data.run_id;
    this.data = data;
    this.rule = structuredClone(data.rule);
    if (isOther) this.clear();
    this.fetchLog();
  }

  // Nothing of the run before is left, and what was asked for it does not count any more.
  clear() {
    this.requests.cancelAll();
    Object.assign(this, { log: null, answer: null, error: null, seen: [], scope: "", isOutdated: false });
    this.curves.clear();
    this.say("opened");
  }

  // Another rule for the same run.
  setRule(rule) {
    this.requests.cancel("replay");
    this.rule = structuredClone(rule);
    this.changed();
  }

  async fetchLog() {
    clearTimeout(this.polling);
    const { run_id, state, log_v } = this.data;
    const version = state === "done" ? `?v=${log_v || 1}` : "";
    const answer = await this.requests.send("log", `/api/runs/${run_id}/log${version}`);
    if (!answer) return;
    if (!answer.ok) { this.fail(answer.body); return; }
    this.take(answer.body);
    // A run that is not done may go on, here or elsewhere.
    const isActive = this.log.state === "running" || this.log.adding.length > 0;
    if (this.log.state !== "done" || isActive) this.polling = setTimeout(() => this.fetchLog(), isActive ? 1500 : 5000);
  }

  take(log) {
    this.log = log;
    this.pts = Float64Array.from(log.pts_us);
    const n = this.pts.length, first = new Int32Array(n + 1);
    for (const s of log.sample) first[s + 1]++;
    for (let i = 0; i < n; i++) first[i + 1] += first[i];
    this.first = first;
    this.curves.clear();
    const peak = new Float32Array(log.labels.length);
    log.label.forEach((l, i) => { if (log.confidence[i] > peak[l]) peak[l] = log.confidence[i]; });
    this.seen = log.labels.map((name, l) => ({ name, l, peak: peak[l] }))
      .filter((x) => x.peak > 0 || log.prompted || log.labels.length <= 4).sort((a, b) => b.peak - a.peak);
    // A label keeps its colour when others join.
    if (this.coloured !== log.run_id) { this.coloured = log.run_id; this.colours = new Map(); }
    // By their order in the log, which later ones only extend; many labels share colours, the strongest least.
    const inTurn = log.labels.length <= PALETTE.length ? log.labels : this.seen.map((s) => s.name);
    for (const name of inTurn) if (!this.colours.has(name)) this.colours.set(name, PALETTE[this.colours.size % PALETTE.length]);
    this.say("log");
    this.replay();
  }

  colour(label) { return this.colours?.get(label) || PALETTE[0]; }
  isOn(label) { return !this.rule || this.rule.only === null || this.rule.only.includes(label); }
  // Labels with a lane: those that are on, and one that is only annotated.
  shown() {
    const on = this.seen.filter((x) => this.isOn(x.name)).slice(0, 6).map((x) => x.name), marked = this.annotate?.label;
    return marked && !on.includes(marked) ? [...on, marked] : on;
  }
  of(label) { return this.rule.labels[label] || this.rule.default; }
  edited() { return this.scope ? this.of(this.scope) : this.rule.default; }

  // Change the settings of the label in scope, or of every label.
  edit(change) {
    if (this.scope && !this.rule.labels[this.scope]) {
      this.rule.labels[this.scope] = structuredClone(this.rule.default);
    }
    change(this.scope ? this.rule.labels[this.scope] : this.rule.default);
    this.changed();
  }

  toggle(label) {
    // From all, the first click means: only this one.
    const on = this.rule.only;
    if (on === null) this.rule.only = [label];
    else this.rule.only = on.includes(label) ? on.filter((x) => x !== label) : [...on, label].sort();
    this.changed();
    this.say("released");
  }

  all() { this.rule.only = null; this.changed(); this.say("released"); }
  follow(label) { delete this.rule.labels[label]; this.changed(); this.say("released"); }

  changed() { this.say("rule"); this.replay(); }

  // The server decides. One question at a time; the newest rule is asked last.
  async replay() {
    if (this.requests.isPending("replay")) { this.isOutdated = true; return; }
    this.isOutdated = false;
    const { run_id, tiou, annotator } = this.data;
    const asked = { run_id, rule: this.rule, tiou: tiou || 0.5, annotator: annotator || null };
    const answer = await this.requests.post("replay", "/api/replay", asked);
    if (!answer) return;
    if (answer.ok) {
      this.answer = answer.body;
      this.error = null;
      this.curves.clear();
      this.say("sightings");
    } else this.fail(answer.body);
    if (this.isOutdated) this.replay();
  }

  fail(text) { this.error = text; this.say("failed"); }

  // Position of the last sample at or before a time; -1 before the first.
  sampleAt(pts_us) {
    let low = 0, high = this.pts.length;
    while (low < high) { const mid = (low + high) >> 1; if (this.pts[mid] <= pts_us + 1500) low = mid + 1; else high = mid; }
    return low - 1;
  }

  detectionsAt(position) {
    const out = [], log = this.log;
    for (let i = this.first[position]; i < this.first[position + 1]; i++) {
      out.push({ label: log.labels[log.label[i]], confidence: log.confidence[i], box: log.box.slice(4 * i, 4 * i + 4), text: log.text ? log.text[i] : null });
    }
    return out;
  }

  // Positions of the samples on which a label was not looked at.
  notLookedAt(label) {
    const log = this.log;
    return new Set([...Object.keys(log.failed), ...Object.keys(log.gated), ...(log.missing[label] || [])].map(Number));
  }

  // A label's score on every sample (NaN where it was not looked at), as the rule sees it.
  curve(label) {
    if (this.curves.has(label)) return this.curves.get(label);
    const log = this.log, curve = new Float32Array(this.pts.length), none = this.notLookedAt(label);
    const filtered = this.answer && this.answer.filtered_scores[label];
    if (filtered) {
      let next = 0;
      for (let i = 0; i < curve.length; i++) curve[i] = none.has(i) ? NaN : filtered[next++] ?? NaN;
    } else {
      const l = log.labels.indexOf(label);
      for (let i = 0; i < log.sample.length; i++) {
        if (log.label[i] === l && log.confidence[i] > curve[log.sample[i]]) curve[log.sample[i]] = log.confidence[i];
      }
      for (const i of none) curve[i] = NaN;
    }
    this.curves.set(label, curve);
    return curve;
  }

  // Whether a box counts for its label: for drawing; sightings are the server's.
  passes(d) {
    const f = this.of(d.label).box_filter, [w, h] = this.data.size_px, [x1, y1, x2, y2] = d.box;
    const area = (x2 - x1) * (y2 - y1) / (w * h);
    if (area < f.min_area_fraction || area > f.max_area_fraction) return false;
    const clamp = (v) => Math.min(1 - 1e-9, Math.max(1e-9, v));
    const point = [clamp((x1 + x2) / 2 / w), clamp(y2 / h)];
    if (f.include.length && !f.include.some((p) => inside(p, point))) return false;
    return !f.exclude.some((p) => inside(p, point));
  }
}

export function inside(polygon, [x, y]) {
  let hit = false, [x0, y0] = polygon[polygon.length - 1];
  for (const [x1, y1] of polygon) {
    if ((y1 > y) !== (y0 > y) && x < (x0 - x1) * (y - y1) / (y0 - y1) + x1) hit = !hit;
    x0 = x1; y0 = y1;
  }
  return hit;
}
