// The jobs of the queue as rows of a table, each with what can be done with it, and with several.
import { Bar } from "./bar.js";
import { Line } from "./line.js";
import { make } from "./parts.js";
import { Picked } from "./picked.js";

const HEAD = ["Select", "Clip", "State", "Progress", "Speed", "Time left", "What can be done"];
const HIDDEN = ["Select", "What can be done"];

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".queue");
  parentElement.queue ||= new Queue(root);
  parentElement.queue.send = (asked) => setTriggerValue("action", asked);
  parentElement.queue.show(data.rows, data.counts);
}

export class Queue {
  constructor(root) {
    this.lines = new Map();
    this.picked = new Picked();
    this.counts = {};
    this.bar = new Bar(this);
    this.body = make("tbody");
    this.body.onkeydown = (event) => this.key(event);
    const head = make("tr", "", ...HEAD.map(heading));
    const table = make("table", "", make("thead", "", head), this.body);
    root.replaceChildren(this.bar.frame, table);
  }

  // Lines stay where they are and change only in what differs, so that the focus stays, too.
  show(rows, counts = {}) {
    this.rows = rows;
    this.counts = counts;
    const ids = new Set(rows.map((row) => row.id));
    for (const [id, line] of this.lines) {
      if (ids.has(id)) continue;
      line.frame.remove();
      this.lines.delete(id);
    }
    rows.forEach((row, i) => {
      const line = this.lines.get(row.id) ?? new Line(this, row.id);
      this.lines.set(row.id, line);
      line.show(row);
      if (this.body.children[i] !== line.frame) {
        this.body.insertBefore(line.frame, this.body.children[i] ?? null);
      }
    });
    this.picked.take(rows);
    this.changed();
  }

  act(verb, id) {
    this.send({ verb, ids: [id] });
  }

  actAll(verb) {
    this.send({ verb, ...this.picked.message() });
  }

  pick(id, isOn, isRange) {
    this.picked.set(id, isOn, isRange);
    this.changed();
  }

  changed() {
    for (const row of this.rows) this.lines.get(row.id).mark(this.picked.has(row));
    this.bar.show(this.counts);
  }

  // In the boxes of the rows: arrows go from one to the next, and with Shift take it along.
  key(event) {
    const at = this.rows.findIndex((row) => this.lines.get(row.id).box === event.target);
    if (at < 0) return;
    if (event.key === "Escape") this.picked.setAll(false);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) this.picked.setAll(true);
    else if (!this.step(event, at)) return;
    event.preventDefault();
    this.changed();
  }

  step(event, at) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const next = this.rows[at + by];
    if (!next) return false;
    if (event.shiftKey) {
      this.picked.set(this.rows[at].id, true);
      this.picked.set(next.id, true);
    }
    this.lines.get(next.id).box.focus();
    return true;
  }
}

function heading(text) {
  const made = make("th", "", HIDDEN.includes(text) ? make("span", "unseen", text) : text);
  made.setAttribute("scope", "col");
  return made;
}
