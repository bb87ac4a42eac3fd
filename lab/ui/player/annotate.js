// Marking what is true: presences, what was watched, verdicts on sightings. The server keeps it.
import { element, seconds } from "./formatting.js";
import { jsonPost, Requests } from "./requests.js";
import { LANE_PX } from "./timeline.js";

export const KINDS = { missed: "missed", false: "false", split: "split", merged: "merged", early: "begins early", late: "begins late", ends_early: "ends early", ends_late: "ends late", censored: "cut by an end", below_resolution: "below resolution", not_analysed: "not analysed" };

export class Annotate {
  constructor(model, stage, timeline, root) {
    Object.assign(this, { model, stage, timeline, root });
    this.records = []; this.undoing = []; this.pending = null; this.watching = null; this.ask = null;
    this.who = localStorage.getItem("lab-annotator") || "me"; this.wantLabel = sessionStorage.getItem("lab-label");
    if (sessionStorage.getItem("lab-blind")) { model.blind = true; root.classList.add("blind"); }
    this.panel = root.querySelector(".annotate"); this.figures = root.querySelector(".truth");
    timeline.annotate = this; model.annotate = this;
    this.requests = new Requests(); this.waiting = new Map();
    model.addEventListener("opened", () => this.open());
    model.addEventListener("log", () => this.load());
    for (const name of ["rule", "scope", "blind"]) model.addEventListener(name, () => this.show());
    for (const name of ["sightings", "blind"]) model.addEventListener(name, () => this.showFigures());
    model.addEventListener("time", () => this.showTime());
    this.build();
  }

  // Another run; of another clip, nothing of the one before is left.
  open() {
    const id = this.model.data.media_id;
    if (this.media_id !== id) {
      this.requests.cancelAll();
      Object.assign(this, { media_id: id, isAsked: false, records: [], undoing: [], pending: null, watching: null, drag: null });
      this.say("");
    }
    this.showFigures();
    this.showTime();
  }

  async load() {
    this.show();
    if (this.isAsked) return;
    this.isAsked = true;
    await this.reload();
  }

  async reload() {
    const answer = await this.requests.send("annotations", `/api/media/${this.media_id}/annotations`);
    // What was changed since is shown already: an older answer must not take it back.
    if (answer?.ok && !this.waiting.get(this.media_id)) this.take(answer.body);
  }

  take(answer) { this.records = answer.records; this.annotators = answer.annotators; this.show(); this.timeline.draw(); }

  // One change at a time, with what undoes it.
  async change(add, remove, remember = true) {
    const gone = this.records.filter((r) => remove.includes(r.id)), replaced = this.records.filter((r) => add.some((a) => a.id === r.id));
    const fresh = add.map((r) => ({ id: crypto.randomUUID().replaceAll("-", "").slice(0, 16), annotator: this.who, ...r }));
    // Shown at once; what the server then says counts.
    this.records = this.records.filter((r) => !remove.includes(r.id) && !fresh.some((f) => f.id === r.id)).concat(fresh);
    this.timeline.draw();
    const undo = { add: [...gone, ...replaced], remove: fresh.filter((f) => !replaced.some((r) => r.id === f.id)).map((f) => f.id) };
    if (remember) this.undoing.push(undo);
    const id = this.media_id;
    this.count(id, 1);
    this.queue = (this.queue || Promise.resolve()).then(() => this.save(id, { add: fresh, delete: remove }, undo));
    return this.queue;
  }

  count(id, change) { this.waiting.set(id, (this.waiting.get(id) || 0) + change); }

  // Of the clip on which it was made, in the order in which it was made.
  async save(id, change, undo) {
    let problem = null, kept = null;
    try {
      const answer = await fetch(`/api/media/${id}/annotations`, jsonPost(change));
      if (answer.ok) kept = await answer.json(); else problem = await answer.text();
    } catch (error) { problem = `not kept: ${error.message}`; }
    this.count(id, -1);
    if (this.media_id !== id) return;
    this.say(problem || "");
    if (!kept) { this.undoing = this.undoing.filter((u) => u !== undo); await this.reload(); return; }
    if (this.waiting.get(id)) return;
    this.requests.cancel("annotations");
    this.take(kept);
    this.model.replay();
  }

  undo() { const last = this.undoing.pop(); if (last) this.change(last.add, last.remove, false); else this.say("Nothing to undo."); }

  get label() { return this.choice.value === "+" ? "" : this.choice.value; }
  get now_us() { return Math.round(Math.min(this.model.data.end_us, Math.max(this.model.data.first_pts_us, this.stage.pts_us))); }
  get origin() { return this.ask ? this.ask.origin : "independent"; }

  mark() {
    if (!this.label) { this.say("Choose the label first."); return; }
    if (this.pending === null) { this.pending = this.now_us; this.pendingLabel = this.label; this.say(`${this.label} begins at ${seconds(this.pending / 1e6)}: M again where it ends, Esc drops it.`); this.timeline.draw(); this.showTime(); return; }
    const [start_us, end_us] = [this.pending, this.now_us].sort((a, b) => a - b);
    if (start_us === end_us) { this.say("It ends where it begins: move the playhead, then M again; Esc drops it."); return; }
    this.pending = null;
    this.change([{ kind: "annotation", label: this.pendingLabel, start_us, end_us, origin: this.origin }], []);
    this.showTime();
  }

  watch() {
    if (!this.label) { this.say("Choose the label first."); return; }
    if (this.watching === null) { this.watching = this.now_us; this.watchingLabel = this.label; this.say(`Watched for ${this.label} from ${seconds(this.watching / 1e6)}: C again where you stopped.`); this.showTime(); return; }
    const [start_us, end_us] = [this.watching, this.now_us].sort((a, b) => a - b);
    this.watching = null;
    if (end_us > start_us) this.change([{ kind: "coverage", label: this.watchingLabel, start_us, end_us, origin: this.origin }], []);
    this.showTime();
  }

  watchedWhole() {
    if (!this.label) { this.say("Choose the label first."); return; }
    const d = this.model.data, origin = this.origin === "queue" ? "independent" : this.origin;
    this.watching = null;
    if (this.records.some((r) => r.kind === "coverage" && r.label === this.label && r.annotator === this.who && r.origin === origin && r.start_us <= d.first_pts_us && r.end_us >= d.end_us)) { this.say(`The whole clip is marked as watched for ${this.label} already.`); return; }
    this.change([{ kind: "coverage", label: this.label, start_us: d.first_pts_us, end_us: d.end_us, origin }], []);
  }

  verdict(sighting, verdict) {
    const span = { label: sighting.label, start_us: Math.round(sighting.onset_s * 1e6), end_us: Math.round(sighting.offset_s * 1e6) };
    const old = this.records.filter((r) => r.kind === "verdict" && r.label === span.label && r.start_us === span.start_us && r.end_us === span.end_us && r.annotator === this.who).map((r) => r.id);
    // An annotation that was accepted here before goes when the verdict changes.
    const copied = this.records.filter((r) => r.kind === "annotation" && r.origin === "accepted" && r.label === span.label && r.start_us === span.start_us && r.end_us === span.end_us && r.annotator === this.who).map((r) => r.id);
    const add = [{ kind: "verdict", ...span, verdict, run_id: this.model.data.run_id, rule_hash: this.model.answer.rule_hash }];
    const touched = this.records.some((r) => r.kind === "annotation" && r.label === span.label && r.start_us <= span.end_us && r.end_us >= span.start_us && !copied.includes(r.id));
    if (verdict === "accepted" && !touched) add.push({ kind: "annotation", ...span, origin: "accepted" });
    this.change(add, [...old, ...copied]);
  }

  here() { const now = this.stage.pts_s; return (this.model.answer?.sightings || []).find((s) => s.onset_s <= now + 0.01 && now <= s.offset_s + 0.01 && (!this.label || s.label === this.label)); }

  judge(verdict) {
    if (this.model.blind) { this.say("Blind: sightings are hidden, so they are not judged."); return; }
    const s = this.here(), now = this.stage.pts_s, other = (this.model.answer?.sightings || []).find((o) => o.onset_s <= now + 0.01 && now <= o.offset_s + 0.01);
    if (s) this.verdict(s, verdict); else this.say(other ? `No sighting of ${this.label} here; ${other.label} is: choose it first.` : "No sighting at the playhead.");
  }

  erase() {
    const now = this.now_us, mine = this.records.filter((r) => r.kind === "annotation" && r.label === this.label && r.annotator === this.who && r.start_us <= now && now <= r.end_us);
    if (mine.length) this.change([], mine.map((r) => r.id)); else this.say(`No annotation of ${this.label} by ${this.who} at the playhead.`);
  }

  toggleBlind(asked = true) {
    if (asked && this.ask && this.ask.blind) { this.say("The audit is blind until it is answered."); return; }
    this.model.blind = !this.model.blind; this.root.classList.toggle("blind", this.model.blind); this.show(); this.stage.draw(); this.timeline.draw(); this.model.say("blind");
    if (this.model.blind) sessionStorage.setItem("lab-blind", "1"); else sessionStorage.removeItem("lab-blind");
  }

  // A question from the queue or an audit: look from start to end, mark, and say that it is done.
  setAsk(ask) {
    if (JSON.stringify(ask) === JSON.stringify(this.ask)) return;
    const before = this.ask;
    this.ask = ask; this.pending = this.watching = null;
    if (ask) { this.stage.seek(ask.start_us / 1e6); this.wantLabel = ask.label; }
    // Blind for as long as an audit asks.
    if (Boolean(ask?.blind) !== Boolean(this.model.blind) && (ask?.blind || before?.blind)) this.toggleBlind(false);
    this.show();
  }

  async answer(nothing) {
    const a = this.ask;
    if (!a || a.media_id !== this.model.data.media_id) return;
    if (this.pending !== null) this.mark();
    await this.change([{ kind: "coverage", label: a.label, start_us: a.start_us, end_us: a.end_us, origin: a.origin }], nothing ? this.records.filter((r) => r.kind === "annotation" && r.origin === a.origin && r.label === a.label && r.start_us >= a.start_us && r.end_us <= a.end_us && r.annotator === this.who).map((r) => r.id) : []);
    this.model.say("answered", a.n);
  }

  build() {
    const button = (text, title, act) => { const b = element("button", { textContent: text, title, ariaLabel: title }); b.onclick = () => { act(); this.root.focus({ preventScroll: true }); }; return b; };
    this.question = element("div", { className: "question", hidden: true });
    this.choice = element("select", { ariaLabel: "Label to annotate" });
    this.choice.onchange = () => { if (this.choice.value === "+") { const name = prompt("Name of the label"); this.extra = name && name.trim() ? name.trim() : null; this.wantLabel = this.extra; } else this.wantLabel = this.choice.value; if (this.wantLabel) sessionStorage.setItem("lab-label", this.wantLabel); this.show(); };
    this.name = element("input", { value: this.who, ariaLabel: "Annotator", title: "Who annotates", size: 8 });
    this.name.onchange = () => { this.who = this.name.value.trim() || "me"; localStorage.setItem("lab-annotator", this.who); };
    this.markButton = button("Mark start (M)", "Mark where it begins, and again where it ends (M)", () => this.mark());
    this.watchButton = button("Watched from (C)", "Watched from here, and again to there (C)", () => this.watch());
    this.wholeButton = button("Whole clip watched (V)", "The whole clip was watched for this label (V)", () => this.watchedWhole());
    this.blindButton = button("Blind (H)", "Hide what the detector saw (H)", () => this.toggleBlind());
    this.note = element("span", { className: "note", role: "status" });
    this.state = element("span", { className: "note" });
    this.panel.replaceChildren(this.question, element("div", { className: "chips" },
      element("b", { textContent: "Annotate" }), this.choice, this.markButton, this.watchButton, this.wholeButton,
      button("Accept (Y)", "The sighting at the playhead is right (Y)", () => this.judge("accepted")), button("Reject (N)", "The sighting at the playhead is wrong (N)", () => this.judge("rejected")),
      button("Erase (X)", "Delete the annotation at the playhead (X)", () => this.erase()), button("Undo (Z)", "Undo the last change (Z)", () => this.undo()), this.blindButton, this.name, this.state, this.note));
  }

  say(text) { this.note.textContent = text; }

  labels() { const m = this.model; return [...new Set([...(m.scope ? [m.scope] : []), ...m.shown(), ...m.seen.map((s) => s.name), ...this.records.map((r) => r.label), ...(this.extra ? [this.extra] : []), ...(this.ask ? [this.ask.label] : [])])]; }

  show() {
    const m = this.model;
    if (!m.log || !m.rule) return;
    const labels = this.labels().slice(0, 100), wanted = this.wantLabel && labels.includes(this.wantLabel) ? this.wantLabel : labels[0];
    const same = this.choice.options.length === labels.length + 1 && labels.every((l, i) => this.choice.options[i].value === l);
    if (!same) this.choice.replaceChildren(...labels.map((l) => element("option", { value: l, textContent: l })), element("option", { value: "+", textContent: "another label…" }));
    if (wanted) this.choice.value = wanted;
    this.blindButton.setAttribute("aria-pressed", Boolean(m.blind));
    this.question.hidden = !this.ask;
    if (this.ask) {
      const no = element("button", { textContent: "Nothing there (Shift+N)" }), yes = element("button", { textContent: "Done, all marked (Shift+Y)" });
      no.onclick = () => this.answer(true); yes.onclick = () => this.answer(false);
      this.question.replaceChildren(element("b", { textContent: `${this.ask.title} ` }), `Look for ${this.ask.label} from ${seconds(this.ask.start_us / 1e6)} to ${seconds(this.ask.end_us / 1e6)}: ${this.ask.text}. Mark it with M. `, yes, no);
    }
    this.showTime();
  }

  showTime() {
    if (!this.model.data) return;
    this.markButton.textContent = this.pending === null ? "Mark start (M)" : "Mark end (M)";
    this.watchButton.textContent = this.watching === null ? "Watched from (C)" : "Watched to (C)";
    const mine = this.records.filter((r) => r.label === this.label), marks = mine.filter((r) => r.kind === "annotation").length;
    const covered = covered_us(mine.filter((r) => r.kind === "coverage")), whole = this.model.data.end_us - this.model.data.first_pts_us;
    const share = whole > 0 ? Math.min(100, Math.round(100 * covered / whole)) : 0;
    this.state.textContent = `${marks} annotated, ${share} % watched`;
    this.root.dataset.annotations = marks; this.root.dataset.watched = share;
  }

  showFigures() {
    const t = this.model.answer && this.model.answer.truth;
    this.root.dataset.f1 = t && t.overall && t.overall.f1 !== null ? t.overall.f1 : "";
    if (!t || this.model.blind) { this.figures.replaceChildren(this.model.blind ? element("span", { className: "note", textContent: "Blind: what the detector saw, sightings and figures are hidden." }) : element("span", { className: "note", textContent: "Annotate and say what you watched, and precision and recall follow the sliders." })); return; }
    if (t.problem) { this.figures.replaceChildren(element("span", { className: "note error", textContent: t.problem })); return; }
    const rows = Object.entries(t.labels), table = element("table", {}, element("thead", {}, element("tr", {}, ...["Against the annotations", "Found", "False", "Missed", "Precision", "Recall", "F1", "F1 .5:.95", "False an hour", "Onset error", "Offset error", "Delay", "Watched"].map((h) => element("th", { textContent: h })))));
    const body = element("tbody");
    for (const [label, f] of rows.length > 1 ? [...rows, ["all labels", t.overall]] : rows) body.append(this.figureRow(label, f));
    if (rows.length > 1) body.append(element("tr", {}, element("td", { textContent: "mean of labels" }), ...["", "", ""].map(() => element("td")), ...["precision", "recall", "f1", "f1_mean"].map((n) => element("td", { textContent: rate(t.macro[n]) })), element("td", { colSpan: 5 })));
    table.append(body);
    const why = [...new Set(rows.flatMap(([, f]) => Object.values(f.refused)))].map((text) => element("div", { className: "note", textContent: text }));
    const links = t.moments.map((m) => { const b = element("button", { className: "chip", title: m.text, textContent: `${KINDS[m.kind]} ${seconds(m.start_s)}${rows.length > 1 ? ` ${m.label}` : ""}` }); b.dataset.kind = m.kind; b.onclick = () => { this.stage.seek(m.start_s); this.stage.canvas.scrollIntoView({ block: "nearest", behavior: "smooth" }); }; return b; });
    this.figures.replaceChildren(element("div", { className: "wide-table" }, table), ...why, ...t.notes.map((text) => element("div", { className: "note", textContent: text })), element("div", { className: "chips moments" }, ...links, ...(t.moments_left_out ? [element("span", { className: "note", textContent: `and ${t.moments_left_out} more` })] : [])));
  }

  figureRow(label, f) {
    const cell = (name, scale = 2) => { const v = f[name], i = f[`${name}_interval`]; return element("td", { title: v === null ? (f.refused[name] || "nothing to divide by") : "with its 95 % interval" }, element("b", { textContent: rate(v, scale) }), i ? element("small", { textContent: ` ${rate(i[0], scale)}–${rate(i[1], scale)}` }) : ""); };
    const error = (e) => element("td", { title: e.n ? `${e.n} edges; 5 % to 95 %: ${e.p05_s.toFixed(2)} to ${e.p95_s.toFixed(2)} s` : (f.refused.onset_error || "no pair to compare"), textContent: e.n ? `${e.median_s >= 0 ? "+" : ""}${e.median_s.toFixed(2)} s` : "–" });
    const short = f.below_resolution ? ` (${f.below_resolution} below resolution)` : "";
    return element("tr", {}, element("td", { textContent: label }), element("td", { textContent: f.tp }), element("td", { textContent: f.fp }), element("td", { textContent: `${f.fn}${short}` }), cell("precision"), cell("recall"), cell("f1"), element("td", { textContent: rate(f.f1_mean) }), cell("false_per_hour", 1), error(f.onset_error), error(f.offset_error), error(f.delay), element("td", { textContent: seconds(f.covered_s) }));
  }

  // On the timeline: a band at the foot of each lane; its edges can be dragged.
  drawLane(g, label, top) {
    const t = this.timeline, foot = top + LANE_PX - 3;
    for (const r of this.records) {
      if (r.label !== label) continue;
      const x1 = t.x(r.start_us / 1e6), x2 = Math.max(x1 + 2, t.x(r.end_us / 1e6));
      if (r.kind === "coverage") { g.globalAlpha = 0.55; g.fillStyle = r.origin === "queue" ? "#a78bfa" : "#94a3b8"; g.fillRect(x1, foot, x2 - x1, 3); }
      if (r.kind === "annotation") { g.globalAlpha = 0.9; g.fillStyle = r.origin === "accepted" ? "#86efac" : "#16a34a"; g.fillRect(x1, foot - 8, x2 - x1, 7); if (x2 - x1 > 6) { g.fillStyle = t.ink; g.fillRect(x1, foot - 10, 1.5, 11); g.fillRect(x2 - 1.5, foot - 10, 1.5, 11); } }
      if (r.kind === "verdict" && r.verdict === "rejected") { g.globalAlpha = 0.9; g.strokeStyle = "#ef4444"; g.lineWidth = 2; g.beginPath(); g.moveTo(x1, top + 4); g.lineTo(x2, top + 12); g.moveTo(x2, top + 4); g.lineTo(x1, top + 12); g.stroke(); }
    }
    if (this.pending !== null && label === this.pendingLabel) { g.globalAlpha = 0.6; g.fillStyle = "#16a34a"; const a = t.x(this.pending / 1e6), b = t.x(this.stage.pts_s); g.fillRect(Math.min(a, b), foot - 8, Math.abs(b - a) + 2, 7); }
    g.globalAlpha = 1;
  }

  // The edge under the pointer, within 6 px, in the lower third of a lane.
  edgeAt(px, py, lanes) {
    const lane = Math.floor(py / LANE_PX), label = lanes[lane];
    if (!label || py - lane * LANE_PX < LANE_PX - 18) return null;
    let best = null;
    for (const r of this.records) if (r.kind === "annotation" && r.label === label && r.annotator === this.who) for (const edge of ["start_us", "end_us"]) {
      const d = Math.abs(this.timeline.x(r[edge] / 1e6) - px);
      if (d <= 6 && (!best || d < best.d)) best = { d, id: r.id, edge };
    }
    return best;
  }

  startDrag(found) { const r = this.records.find((x) => x.id === found.id); this.drag = { ...found, before: { ...r }, record: { ...r } }; }

  moveDrag(pts_s) {
    const d = this.model.data, at = Math.round(Math.min(d.end_us, Math.max(d.first_pts_us, pts_s * 1e6))), r = this.drag.record;
    r[this.drag.edge] = this.drag.edge === "start_us" ? Math.min(at, r.end_us) : Math.max(at, r.start_us);
    this.records = this.records.map((x) => (x.id === r.id ? { ...r } : x));
    this.stage.seek(r[this.drag.edge] / 1e6);
    this.timeline.draw();
  }

  endDrag() {
    const { record, before } = this.drag;
    this.drag = null;
    this.records = this.records.map((x) => (x.id === before.id ? before : x));
    // Edges that a person has set are the person's own.
    if (record.start_us !== before.start_us || record.end_us !== before.end_us) this.change([{ ...record, origin: record.origin === "accepted" ? "independent" : record.origin }], []);
  }

  key(e) {
    const acts = { m: () => this.mark(), c: () => this.watch(), v: () => this.watchedWhole(), h: () => this.toggleBlind(), x: () => this.erase(), z: () => this.undo(), y: () => (e.shiftKey && this.ask ? this.answer(false) : this.judge("accepted")), n: () => (e.shiftKey && this.ask ? this.answer(true) : this.judge("rejected")) };
    const act = acts[e.key.toLowerCase()];
    if (act) act();
    if (e.key === "Escape" && (this.pending !== null || this.watching !== null)) { this.pending = this.watching = null; this.say(""); this.showTime(); this.timeline.draw(); return true; }
    return Boolean(act);
  }
}

export function rate(v, digits = 2) { return v === null || v === undefined ? "–" : v.toFixed(digits); }

// How much of the media lies in at least one stretch.
export function covered_us(stretches) {
  let total = 0, reached = -Infinity;
  for (const r of stretches.slice().sort((a, b) => a.start_us - b.start_us)) { total += Math.max(0, r.end_us - Math.max(r.start_us, reached)); reached = Math.max(reached, r.end_us); }
  return total;
}
