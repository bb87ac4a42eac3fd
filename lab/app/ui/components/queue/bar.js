// Above the table: which rows are picked, and what can be done with all of them.
import { button, checkbox, make, set } from "./parts.js";

const STATES = ["waiting", "failed", "cancelled"];
// What is asked for, its text, and the states in which it can be done.
const VERBS = [
  ["retry", "Retry", ["failed", "cancelled"]],
  ["first", "Do first", ["waiting"]],
  ["last", "Do last", ["waiting"]],
  ["cancel", "Cancel", ["waiting", "running"]],
  ["clear", "Clear", ["done", "failed", "cancelled"]],
];

export class Bar {
  // owner: has picked, and is told of changed and actAll.
  constructor(owner) {
    this.owner = owner;
    this.all = checkbox("Select all shown");
    this.all.onchange = () => this.pick(() => owner.picked.setAll(this.all.checked));
    this.said = make("span", "said");
    this.said.setAttribute("role", "status");
    this.states = STATES.map((state) => [state, button("", "", () => this.toggle(state))]);
    this.verbs = VERBS.map(([verb, text]) => button(text, text, () => this.ask(verb)));
    this.none = button("✕", "Select none", () => this.clear());
    const label = make("label", "all", this.all, "Select all shown");
    const states = make("span", "group", ...this.states.map(([, made]) => made));
    const verbs = make("span", "group", ...this.verbs, this.none);
    this.frame = make("div", "bar", label, states, this.said, verbs);
    this.frame.setAttribute("role", "group");
    this.frame.setAttribute("aria-label", "Several clips at once");
  }

  // counts: of the whole queue, by state.
  show(counts) {
    const { picked } = this.owner;
    const found = picked.counts(counts);
    const total = sum(Object.keys(found), found);
    set(this.all, "checked", picked.areAll());
    set(this.all, "indeterminate", total > 0 && !picked.areAll());
    set(this.said, "textContent", total ? `${written(total)} selected` : "");
    for (const [state, made] of this.states) this.showState(made, state, counts[state] ?? 0);
    VERBS.forEach(([, text, states], i) => {
      const count = sum(states, found);
      this.verbs[i].hidden = !count;
      this.verbs[i].setAttribute("aria-label", `${text}: ${written(count)} selected`);
    });
    this.none.hidden = !total;
  }

  showState(made, state, count) {
    made.hidden = !count;
    set(made, "textContent", `all ${written(count)} ${state}`);
    made.setAttribute("aria-label", `Select all ${written(count)} ${state}`);
    made.setAttribute("aria-pressed", String(this.owner.picked.state === state));
  }

  toggle(state) {
    const { picked } = this.owner;
    this.pick(() => (picked.state === state ? picked.setAll(false) : picked.setState(state)));
  }

  // The button that was pressed goes, and the focus would go with it.
  clear() {
    this.pick(() => this.owner.picked.setAll(false));
    this.all.focus();
  }

  ask(verb) {
    this.owner.actAll(verb);
    this.clear();
  }

  pick(change) {
    change();
    this.owner.changed();
  }
}

function sum(states, found) {
  return states.reduce((total, state) => total + (found[state] ?? 0), 0);
}

function written(count) {
  return count.toLocaleString("en");
}
