// The settings of the rule, and playback.
import { element, seconds } from "./formatting.js";

export const FIELDS = [
  ["Presence"],
  ["enter_threshold", "Enter at", 0.01, 1, 0.01],
  ["exit_threshold", "Exit below", 0.01, 1, 0.01],
  ["enter_frames", "Enter after", 1, 30, 1],
  ["enter_window", "…of the last", 1, 60, 1],
  ["exit_frames", "Exit after", 1, 60, 1],
  ["min_duration_s", "At least", 0, 30, 0.1],
  ["merge_gap_s", "Merge gap", 0, 30, 0.1],
  ["Alerts"],
  ["cooldown_s", "Cooldown", 0, 600, 1],
];
export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];

export class Controls {
  constructor(model, stage, timeline, root) {
    Object.assign(this, { model, stage, timeline, root });
    this.side = root.querySelector(".side"); this.bar = root.querySelector(".transport");
    this.linked = true;
    model.addEventListener("opened", () => this.reset());
    for (const name of ["log", "blind"]) model.addEventListener(name, () => this.build());
    for (const name of ["rule", "sightings", "zone", "failed"]) model.addEventListener(name, () => this.show());
    model.addEventListener("time", () => this.showTime());
    this.buildTransport();
  }

  reset() {
    this.inputs = this.builtFor = null;
    this.linked = true;
    this.problem = element("div", { className: "note error", role: "alert" });
    this.side.replaceChildren(this.problem);
    this.showTime();
  }

  build() {
    const m = this.model;
    if (!m.log) return;
    const now = `${m.data.run_id} ${m.seen.map((x) => x.name).sort().join("\n")} ${Boolean(m.blind)}`;
    if (this.builtFor === now) { this.show(); return; }
    this.builtFor = now;
    this.side.replaceChildren(this.problem);
    this.inputs = {};
    this.side.append(element("h4", { textContent: "Labels" }));
    this.chips = element("div", { className: "chips" });
    const order = m.blind ? m.seen.slice().sort((a, b) => (a.name < b.name ? -1 : 1)) : m.seen;
    for (const { name, peak } of order.slice(0, 24)) {
      const dot = element("i"); dot.style.background = m.colour(name);
      const chip = element("button", { className: "chip", title: m.blind ? name : peak > 0 ? `highest score ${peak.toFixed(2)}` : `never above ${m.data.score_floor}` }, dot, name);
      chip.dataset.label = name;
      chip.onclick = () => m.toggle(name);
      this.chips.append(chip);
    }
    if (m.seen.length > 1) { const all = element("button", { className: "chip", textContent: "All" }); all.onclick = () => m.all(); this.chips.prepend(all); }
    if (m.seen.length > 24) this.chips.append(element("span", { className: "note", textContent: `and ${m.seen.length - 24} weaker ones, in the rule and the table` }));
    if (!m.seen.length) this.chips.append(element("span", { className: "note", textContent: "Nothing was detected above the score floor." }));
    this.side.append(this.chips);
    this.scope = element("select", { ariaLabel: "Rule for" }, element("option", { value: "", textContent: "every label" }), ...m.seen.map((x) => element("option", { value: x.name, textContent: `only ${x.name}` })));
    this.scope.onchange = () => { m.scope = this.scope.value; m.say("scope"); this.linked = true; this.show(); this.stage.draw(); };
    this.follow = element("button", { textContent: "Follow the common rule" });
    this.follow.onclick = () => m.follow(m.scope);
    this.side.append(element("label", { className: "field" }, "Rule for", this.scope), this.follow);
    for (const [name, text, least, most, step] of FIELDS) {
      if (!text) { this.side.append(element("h4", { textContent: name })); continue; }
      this.side.append(this.field(name, text, least, most, step));
      if (name === "exit_threshold") this.side.append(this.linkField());
    }
    this.from = element("select", { ariaLabel: "Cooldown from" }, element("option", { value: "start", textContent: "from the last alert" }), element("option", { value: "end", textContent: "from the end of the last alerted sighting" }));
    this.from.onchange = () => { m.edit((r) => { r.debounce.cooldown_from = this.from.value; }); m.say("released"); };
    this.side.append(element("label", { className: "field" }, "Counted", this.from));
    this.from.style.gridColumn = this.scope.style.gridColumn = "2 / 4";
    this.buildZones();
    this.show();
  }

  field(name, text, least, most, step) {
    const floor = name.endsWith("threshold") ? this.model.data.score_floor : least;
    const range = element("input", { type: "range", min: floor, max: most, step, ariaLabel: text });
    const number = element("input", { type: "number", min: floor, max: name.endsWith("threshold") ? 1 : "", step, ariaLabel: `${text}, value` });
    const shown = element("span", { className: "shown" });
    const top = name.endsWith("threshold") ? 1 : Infinity;
    const take = (input) => { const v = Number(input.value); if (input.value !== "" && Number.isFinite(v)) this.set(name, Math.min(top, Math.max(floor, v))); };
    range.oninput = () => take(range);
    number.onchange = () => { take(number); number.blur(); this.show(); this.model.say("released"); };
    range.onchange = () => this.model.say("released");
    range.dataset.setting = name;
    this.inputs[name] = { range, number, shown };
    return element("label", { className: "field" }, text, range, number, shown);
  }

  linkField() {
    this.link = element("button", { textContent: "Exit follows enter" });
    this.link.onclick = () => {
      this.linked = !this.linked;
      if (this.linked) { this.model.edit((r) => { r.debounce.exit_threshold = r.debounce.enter_threshold; }); this.model.say("released"); }
      this.show();
    };
    return this.link;
  }

  set(name, value) {
    this.model.edit(({ debounce: d }) => {
      const followed = d.enter_window === d.enter_frames;
      d[name] = value;
      if (name === "enter_threshold" && (this.linked || d.exit_threshold > value)) d.exit_threshold = value;
      if (name === "exit_threshold") { this.linked = false; if (value > d.enter_threshold) d.enter_threshold = value; }
      if (name === "enter_frames" && (followed || d.enter_window < value)) d.enter_window = value;
      if (name === "enter_window" && value < d.enter_frames) d.enter_frames = value;
    });
  }

  buildZones() {
    const m = this.model, zone = (kind, text) => { const b = element("button", { textContent: text }); b.onclick = () => (this.stage.drawing ? this.stage.endZone(true) : this.stage.startZone(kind)); return b; };
    this.include = zone("include", "Draw zone"); this.exclude = zone("exclude", "Draw exclusion");
    this.clear = element("button", { textContent: "Clear" });
    this.clear.onclick = () => { m.edit((r) => { r.box_filter.include = []; r.box_filter.exclude = []; }); m.say("released"); };
    this.zoneNote = element("div", { className: "note" });
    this.areas = {};
    const area = (name, text) => {
      const input = element("input", { type: "number", min: 0, max: 100, step: 0.1, ariaLabel: text });
      input.onchange = () => { m.edit(({ box_filter: f }) => {
        f[name] = Math.min(1, Math.max(0, Number(input.value) / 100));
        const other = name === "min_area_fraction" ? "max_area_fraction" : "min_area_fraction";
        if (f.min_area_fraction > f.max_area_fraction) f[other] = f[name];
      }); m.say("released"); };
      input.style.gridColumn = "2 / 4";
      this.areas[name] = input;
      return element("label", { className: "field" }, text, input);
    };
    this.side.append(element("h4", { textContent: "Boxes that count" }), element("div", { className: "chips" }, this.include, this.exclude, this.clear), this.zoneNote, area("min_area_fraction", "Smallest, %"), area("max_area_fraction", "Largest, %"));
  }

  show() {
    const m = this.model;
    if (this.problem) this.problem.textContent = m.error || "";
    if (!this.inputs || !m.rule) return;
    const { debounce: d, box_filter: f } = m.edited(), every = m.answer ? m.answer.interval_s : m.data.interval_s;
    if (d.exit_threshold !== d.enter_threshold) this.linked = false;
    for (const [name, { range, number, shown }] of Object.entries(this.inputs)) {
      const active = range.getRootNode().activeElement;
      if (active !== range || Number(range.value) !== d[name]) range.value = d[name];
      if (active !== number) number.value = d[name];
      shown.textContent = this.bothWays(name, d[name], every);
    }
    this.link.setAttribute("aria-pressed", this.linked);
    this.from.value = d.cooldown_from;
    for (const chip of this.chips.querySelectorAll(".chip")) {
      const label = chip.dataset.label;
      chip.setAttribute("aria-pressed", label ? m.isOn(label) : m.rule.only === null);
      if (label) chip.lastChild.textContent = label in m.rule.labels ? `${label} (own rule)` : label;
    }
    for (const option of this.scope.options) if (option.value) option.textContent = `only ${option.value}${option.value in m.rule.labels ? " (own rule)" : ""}`;
    this.follow.hidden = !(m.scope in m.rule.labels);
    for (const [name, input] of Object.entries(this.areas)) input.value = +(100 * f[name]).toFixed(3);
    const drawing = this.stage.drawing;
    this.include.textContent = drawing && drawing.kind === "include" ? "Finish zone" : "Draw zone";
    this.exclude.textContent = drawing && drawing.kind === "exclude" ? "Finish exclusion" : "Draw exclusion";
    this.zoneNote.textContent = drawing ? "Click the corners in the picture; Enter finishes, Esc drops it." : `${f.include.length} zone(s), ${f.exclude.length} exclusion(s). A box is where the middle of its lower edge is.`;
  }

  bothWays(name, value, every) {
    const s = (n) => `${+(n * every).toFixed(3)} s = ${n} sample${n === 1 ? "" : "s"}`;
    if (name.endsWith("_frames") || name === "enter_window") return s(value);
    if (!name.endsWith("_s") || !value) return "";
    const text = `${value} s = ${Math.ceil(value / every - 1e-9)} samples`;
    const reach = (this.model.edited().debounce.exit_frames + 1) * every;
    return name === "merge_gap_s" && value < reach ? `${text}; too short to matter below ${+reach.toFixed(3)} s` : text;
  }

  buildTransport() {
    const { stage } = this;
    const button = (text, title, act) => { const b = element("button", { textContent: text, title, ariaLabel: title }); b.onclick = () => { act(); this.root.focus({ preventScroll: true }); }; this.bar.append(b); return b; };
    this.play = button("▶", "Play or pause (space)", () => stage.toggle());
    button("◀|", "Frame back (left arrow)", () => stage.step(-1));
    button("|▶", "Frame forward (right arrow)", () => stage.step(1));
    button("[", "Previous sighting ([)", () => this.jump(-1));
    button("]", "Next sighting (])", () => this.jump(1));
    this.loopButton = button("Loop", "Loop this sighting (L)", () => this.toggleLoop());
    this.time = element("span", { className: "time" }); this.bar.append(this.time);
    this.speed = element("select", { ariaLabel: "Speed" }, ...SPEEDS.map((s) => element("option", { value: s, textContent: `${s}×`, selected: s === 1 })));
    this.speed.onchange = () => { stage.video.playbackRate = Number(this.speed.value); };
    this.bar.append(this.speed);
    this.overlay = button("Boxes", "Boxes on or off (B)", () => this.toggleOverlay());
    this.weak = button("Weak boxes", "Show boxes below the threshold (W)", () => { stage.weakOn = !stage.weakOn; this.showTime(); stage.draw(); });
    button("Zoom out", "Whole clip on the timeline (0)", () => { this.timeline.whole(); this.timeline.draw(); });
    for (const name of ["play", "pause"]) stage.video.addEventListener(name, () => this.showTime());
    this.showTime();
  }

  showTime() {
    const { stage } = this;
    this.play.textContent = stage.video.paused ? "▶" : "❚❚";
    this.time.textContent = stage.data ? `${seconds(stage.pts_s)} / ${seconds(stage.data.end_us / 1e6)}` : "";
    this.overlay.setAttribute("aria-pressed", stage.overlayOn);
    this.weak.setAttribute("aria-pressed", stage.weakOn);
    this.loopButton.setAttribute("aria-pressed", Boolean(stage.loop));
  }

  toggleOverlay() { this.stage.overlayOn = !this.stage.overlayOn; this.stage.draw(); this.showTime(); }

  jump(way) {
    if (this.model.blind) return; // where sightings are is what blind hides
    const all = (this.model.answer?.sightings || []).slice().sort((a, b) => a.onset_s - b.onset_s), now = this.stage.pts_s;
    const next = way > 0 ? all.find((s) => s.onset_s > now + 0.01) : all.findLast((s) => s.onset_s < now - 0.05);
    if (next) { if (this.stage.loop) this.stage.loop = [next.onset_s, next.offset_s]; this.stage.seek(next.onset_s); }
  }

  toggleLoop() {
    if (this.model.blind) return;
    const now = this.stage.pts_s, all = this.model.answer?.sightings || [];
    const here = all.find((s) => s.onset_s <= now + 0.01 && now <= s.offset_s + 0.01) || all.find((s) => s.onset_s > now);
    this.stage.loop = this.stage.loop || !here ? null : [here.onset_s, Math.max(here.offset_s, here.onset_s + 0.2)];
    if (this.stage.loop) this.stage.seek(this.stage.loop[0]);
    this.showTime();
  }

  key(e) {
    if (e.composedPath().some((n) => n.matches?.("input, select, textarea"))) {
      const range = e.composedPath()[0].type === "range";
      if (!range || ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"].includes(e.key)) return;
    }
    if (e.metaKey || e.altKey || (e.ctrlKey && e.key.toLowerCase() !== "z")) return;
    if (this.model.annotate?.key(e)) { e.preventDefault(); e.stopPropagation(); return; }
    const { stage } = this;
    const acts = {
      " ": () => stage.toggle(), ArrowLeft: () => (e.shiftKey ? stage.stepSample(-1) : stage.step(-1)), ArrowRight: () => (e.shiftKey ? stage.stepSample(1) : stage.step(1)),
      ArrowUp: () => stage.jumpBy(1), ArrowDown: () => stage.jumpBy(-1), PageDown: () => stage.jumpBy(10), PageUp: () => stage.jumpBy(-10),
      "[": () => this.jump(-1), "]": () => this.jump(1), l: () => this.toggleLoop(), b: () => this.toggleOverlay(), w: () => this.weak.click(),
      0: () => { this.timeline.whole(); this.timeline.draw(); }, Enter: () => stage.endZone(true), Escape: () => stage.endZone(false),
    };
    const act = acts[e.key.length === 1 ? e.key.toLowerCase() : e.key];
    if (act && !(e.key === "Enter" && !stage.drawing) && !((e.key === " ") && e.composedPath()[0].tagName === "BUTTON")) { e.preventDefault(); e.stopPropagation(); act(); }
  }
}
