// What is said of sightings: shown at once, then saved; the last thing is undone first.
// It is said of a stretch of a clip with its label: sightings of two rules may have the same.
import { jsonPost } from "../player/requests.js";

export const VERDICTS = { y: "accepted", n: "rejected", u: "unsure" };
const WORDS = { accepted: "✓ true", rejected: "✗ false", unsure: "? unsure" };

export class Reviewing {
  // onChange: called with a stretch of which something else is said now.
  constructor(onChange, say) {
    Object.assign(this, { onChange, say });
    this.said = new Map(); // by stretch: verdict, new_label, tags, note
    this.pending = new Map(); // how many saves of a stretch are under way
    this.done = []; // what can be undone: { row, before, change }, the last as the server names it
    this.saving = Promise.resolve(); // one at a time, in order
  }

  // What the page knows counts, unless something newer is being saved.
  take(rows) {
    for (const { stretch, verdict, new_label, tags, note } of rows) {
      if (!this.pending.get(stretch)) this.said.set(stretch, { verdict, new_label, tags, note });
    }
  }

  of({ stretch }) {
    return this.said.get(stretch) || { verdict: null, new_label: null, tags: [], note: "" };
  }

  get annotator() {
    return localStorage.getItem("lab-annotator") || "me";
  }

  judge(row, verdict) {
    return this.change(row, { verdict, new_label: null }, { what: verdict });
  }

  relabel(row, label) {
    const said = { verdict: "relabelled", new_label: label };
    return this.change(row, said, { what: "relabelled", label });
  }

  write(row, note) {
    if (note !== this.of(row).note) this.change(row, { note }, { what: "noted", note });
  }

  tag(row, tags) {
    const before = this.of(row).tags;
    const add = tags.filter((tag) => !before.includes(tag));
    const remove = before.filter((tag) => !tags.includes(tag));
    if (add.length || remove.length) this.change(row, { tags }, { what: "tagged", add, remove });
  }

  change(row, said, asked) {
    const before = this.of(row);
    const step = { row, before, change: null };
    this.done.push(step);
    this.set(row, { ...before, ...said });
    const body = { ...asked, sighting_ids: [row.id], annotator: this.annotator };
    const onSaved = (answer) => {
      step.change = answer.change;
    };
    const onFailed = () => {
      this.done = this.done.filter((other) => other !== step);
      this.set(row, before);
    };
    this.save(row, "review", { body: () => body, onSaved, onFailed });
  }

  // The sighting of which the last thing was said; undefined if there was none.
  undo() {
    const step = this.done.pop();
    if (!step) return undefined;
    const { row, before } = step;
    const now = this.of(row);
    this.set(row, before);
    const body = () => ({ change: step.change, sighting_ids: [row.id] });
    this.save(row, "undo", { body, onSaved: () => {}, onFailed: () => this.set(row, now) });
    return row;
  }

  set({ stretch }, said) {
    this.said.set(stretch, said);
    this.onChange(stretch);
  }

  // body: called when it is this one's turn, for it may need what one before it was told.
  save(row, what, { body, onSaved, onFailed }) {
    const { id, stretch } = row;
    this.pending.set(stretch, (this.pending.get(stretch) || 0) + 1);
    this.saving = this.saving.then(async () => {
      const answer = await post(`/api/sightings/${what}`, body());
      this.pending.set(stretch, this.pending.get(stretch) - 1);
      if (!answer.ok) {
        onFailed();
        this.say(`Not saved: ${answer.body}`);
        return;
      }
      onSaved(answer.body);
      const said = answer.body.reviews[id];
      if (said && !this.pending.get(stretch)) this.set(row, said);
    });
  }
}

export function verdictWords({ verdict, new_label }) {
  return verdict === "relabelled" ? `→ ${new_label}` : WORDS[verdict] || "";
}

async function post(address, value) {
  try {
    const response = await fetch(address, jsonPost(value));
    const body = response.ok ? await response.json() : await response.text();
    return { ok: response.ok, body };
  } catch (problem) {
    return { ok: false, body: `the app does not answer (${problem.message})` };
  }
}
