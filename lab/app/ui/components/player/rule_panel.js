// The settings of the rule.
import { choiceField } from "./choice_field.js";
import { button, element, note } from "./elements.js";
import { folding } from "./folding.js";
import { limitsOf, secondsAndSamples, setSetting, typedNumber } from "./rule_settings.js";
import { ZonePanel } from "./zone_panel.js";

const MOST_CHIPS = 24;

// Settings that are one of a few.
const CHOICES = [
  {
    name: "gap_policy",
    after: "merge_gap_s",
    title: "At a gap",
    label: "At a gap in the samples",
    omitted: "hold",
    values: { hold: "keep streaks and what is open", close: "break streaks, close what is open" },
  },
  {
    name: "cooldown_from",
    after: "cooldown_s",
    title: "Counted",
    label: "Cooldown from",
    values: { start: "from the last alert", end: "from the end of the last alerted sighting" },
  },
];

export class RulePanel {
  constructor(model, stage, root) {
    Object.assign(this, { model, stage });
    this.side = root.querySelector(".side");
    this.problem = element("div", { className: "note error", role: "alert" });
    this.reset();
    model.addEventListener("opened", () => this.reset());
    for (const name of ["log", "blind"]) model.addEventListener(name, () => this.build());
    for (const name of ["rule", "sightings", "zone", "failed"]) {
      model.addEventListener(name, () => this.show());
    }
  }

  // Nothing of the run before is left.
  reset() {
    this.inputs = null;
    this.builtFor = null;
    this.isLinked = true; // exit follows enter
    this.problem.textContent = "";
    this.side.replaceChildren(this.problem);
  }

  // ---- elements

  build() {
    const { model } = this;
    if (!model.log) return;
    const names = model.labels.map((label) => label.name).sort();
    const shown = JSON.stringify([model.data.run_id, names, model.isBlind]);
    if (this.builtFor !== shown) this.rebuild();
    this.builtFor = shown;
    this.show();
  }

  rebuild() {
    this.inputs = {};
    this.choices = {};
    this.zones = new ZonePanel(this.model, this.stage);
    this.side.replaceChildren(
      this.problem,
      folding("Labels", this.labelChips(), ...this.scopeFields()),
      ...this.settingGroups(),
      folding("Zones and sizes", ...this.zones.elements),
    );
  }

  labelChips() {
    const { labels, isBlind } = this.model;
    // Their order would say what the detector saw.
    const ordered = isBlind ? [...labels].sort((a, b) => (a.name < b.name ? -1 : 1)) : labels;
    const chips = ordered.slice(0, MOST_CHIPS).map((label) => this.labelChip(label));
    if (labels.length > 1) {
      const all = element("button", { className: "chip", textContent: "All" });
      all.onclick = () => this.model.showAll();
      chips.unshift(all);
    }
    this.chips = element("div", { className: "chips" }, ...chips);
    const more = labels.length - MOST_CHIPS;
    if (more > 0) this.chips.append(note(`and ${more} weaker ones, in the rule and the table`));
    if (!labels.length) this.chips.append(note("Nothing was detected above the score floor."));
    return this.chips;
  }

  labelChip({ name, peak }) {
    const { data, isBlind } = this.model;
    const dot = element("i");
    dot.style.background = this.model.colour(name);
    const score = peak > 0 ? `highest score ${peak.toFixed(2)}` : `never above ${data.score_floor}`;
    const title = isBlind ? name : `${name}: ${score}`;
    const text = element("span", { textContent: name });
    const chip = element("button", { className: "chip", title }, dot, text);
    chip.dataset.label = name;
    chip.onclick = () => this.model.toggle(name);
    return chip;
  }

  scopeFields() {
    const { model } = this;
    const every = element("option", { value: "", textContent: "every label" });
    const own = model.labels.map(({ name }) =>
      element("option", { value: name, textContent: `only ${name}` }),
    );
    this.scope = element("select", { ariaLabel: "Rule for" }, every, ...own);
    this.scope.value = model.scope;
    this.scope.onchange = () => this.setScope(this.scope.value);
    this.scope.style.gridColumn = "2 / 4";
    this.follow = element("button", { textContent: "Use the common rule" });
    this.follow.onclick = () => model.followCommonRule(model.scope);
    return [element("label", { className: "field" }, "Rule for", this.scope), this.follow];
  }

  setScope(label) {
    this.model.scope = label;
    this.model.emit("scope");
    this.isLinked = true;
    this.show();
    this.stage.draw();
  }

  settingGroups() {
    // [name, text, minimum, maximum, step, help] of each setting; a text alone is a heading.
    const groups = [];
    for (const [name, text, least, most, step, help] of this.model.data.sliders) {
      if (!text) {
        groups.push([name]);
        continue;
      }
      const field = this.settingField({ name, text, least, most, step });
      field.title = help;
      field.append(this.helpOf(name, help));
      groups.at(-1).push(field);
      if (name === "exit_threshold") groups.at(-1).push(this.linkButton());
      for (const choice of CHOICES.filter(({ after }) => after === name)) {
        const made = choiceField(this.model, choice);
        this.choices[choice.name] = { ...choice, select: made.select };
        groups.at(-1).push(made.field);
      }
    }
    return groups.map(([title, ...fields]) => folding(title, ...fields));
  }

  settingField({ name, text, least, most, step }) {
    const limits = limitsOf(name, least, this.model.data.score_floor);
    const [min, max] = limits;
    const range = element("input", { type: "range", min, max: most, step, ariaLabel: text });
    const typedMost = max === Infinity ? "" : max;
    const typed = { type: "number", min, max: typedMost, step, ariaLabel: `${text}, value` };
    const number = element("input", typed);
    const shown = element("span", { className: "shown" });
    const take = (input) => {
      const value = typedNumber(input.value, limits);
      if (value !== null) this.set(name, value);
    };
    range.oninput = () => take(range);
    range.onchange = () => this.model.emit("released");
    number.onchange = () => {
      take(number);
      this.show();
      number.value = this.model.shownRule().debounce[name]; // what was typed may be out of bounds
      this.model.emit("released");
    };
    range.dataset.setting = name;
    this.inputs[name] = { range, number, shown };
    return element("label", { className: "field" }, text, range, number, shown);
  }

  // What a mouse reads in the tooltip, for those who come to the field by keys or with a finger.
  helpOf(name, help) {
    const id = `help-${name}`;
    const { range, number } = this.inputs[name];
    for (const input of [range, number]) input.setAttribute("aria-describedby", id);
    return element("small", { className: "help", id, textContent: help });
  }

  linkButton() {
    this.link = button("Exit follows enter", "", () => {
      this.isLinked = !this.isLinked;
      if (this.isLinked) this.setExitToEnter();
      this.show();
    });
    return this.link;
  }

  // ---- values

  set(name, value) {
    this.model.edit(({ debounce }) => {
      this.isLinked = setSetting(debounce, name, value, this.isLinked);
    });
  }

  setExitToEnter() {
    this.model.edit(({ debounce }) => {
      debounce.exit_threshold = debounce.enter_threshold;
    });
    this.model.emit("released");
  }

  show() {
    const { model } = this;
    this.problem.textContent = model.error || "";
    if (!this.inputs || !model.rule) return;
    const { debounce, box_filter } = model.shownRule();
    if (debounce.exit_threshold !== debounce.enter_threshold) this.isLinked = false;
    this.showSettings(debounce);
    this.link.setAttribute("aria-pressed", this.isLinked);
    for (const { name, omitted, select } of Object.values(this.choices)) {
      select.value = debounce[name] ?? omitted;
    }
    this.showLabels();
    this.zones.show(box_filter);
  }

  // A field that is being used keeps what is in it.
  showSettings(debounce) {
    const every_s = this.model.answer?.interval_s ?? this.model.data.interval_s;
    for (const [name, { range, number, shown }] of Object.entries(this.inputs)) {
      const active = range.getRootNode().activeElement;
      const value = debounce[name];
      if (active !== range || Number(range.value) !== value) range.value = value;
      if (active !== number) number.value = value;
      shown.textContent = secondsAndSamples(debounce, name, every_s);
    }
  }

  showLabels() {
    const { model } = this;
    const { labels, only } = model.rule;
    const withOwn = (text, label) => (label in labels ? `${text} (own rule)` : text);
    for (const chip of this.chips.querySelectorAll(".chip")) {
      const { label } = chip.dataset;
      chip.setAttribute("aria-pressed", label ? model.isOn(label) : only === null);
      if (label) chip.querySelector("span").textContent = withOwn(label, label);
    }
    for (const option of this.scope.options) {
      if (option.value) option.textContent = withOwn(`only ${option.value}`, option.value);
    }
    this.follow.hidden = !(model.scope in labels);
  }
}
