// Changes of the rule for undo and redo: a step is from one release of a control to the next.

export class RuleSteps {
  constructor(model, history) {
    Object.assign(this, { model, history });
    model.addEventListener("opened", () => this.start());
    model.addEventListener("released", () => this.keep());
  }

  // Another run: its rule is where undo ends.
  start() {
    this.history.forget("rule");
    this.last = JSON.stringify(this.model.rule);
  }

  keep() {
    const before = this.last;
    const now = JSON.stringify(this.model.rule);
    if (now === before) return;
    this.last = now;
    const [undo, redo] = [before, now].map((text) => () => this.set(text));
    this.history.add({ of: "rule", what: whatDiffers(before, now), undo, redo });
  }

  set(text) {
    this.last = text;
    this.model.setRule(JSON.parse(text));
    this.model.emit("released");
  }
}

function whatDiffers(before, now) {
  const zones = (text) => {
    const { default: common, labels } = JSON.parse(text);
    const filters = [common, ...Object.values(labels)].map(({ box_filter }) => box_filter);
    return JSON.stringify(filters.map(({ include, exclude }) => [include, exclude]));
  };
  return zones(before) === zones(now) ? "a change of the rule" : "a change of the zones";
}
