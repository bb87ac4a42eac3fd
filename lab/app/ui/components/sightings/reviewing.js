// What is said of sightings: shown at once, then saved; the last thing is undone first.
import { jsonPost } from "../player/requests.js";

export const VERDICTS = { y: "accepted", n: "rejected", u: "unsure" };
const WORDS = { accepted: "✓ true", rejected: "✗ false", unsure: "? unsure" };

export class Reviewing {
  // onChange: called with the id of a sighting of which something else is said now.
  constructor(onChange, say) {
    Object.assign(this, { onChange, say });
    this.said = new Map(); // by sighting: verdict, new_label, tags, note
    this.pending = new Map(); // how many saves of a sighting are under way
    this.done = []; // what can be undone: { id, before, change }, the id promised by the server
    this.saving = Promise.resolve(); // one at a time, in order
  }

  // What the page knows counts, unless something newer is being saved.
  take(rows) {
    for (const { id, verdict, new_label, tags, note } of rows) {
      if (!this.pending.get(id)) this.said.set(id, { verdict, new_label, tags, note });
    }
  }

  of(id) {
    return this.said.get(id) || { verdict: null, new_label: null, tags: [], note: "" };
  }

  get annotator() {
    return localStorage.getItem("lab-annotator") || "me";
  }

  judge(id, verdict) {
    return this.change(id, { verdict, new_label: null }, { what: verdict });
  }

  relabel(id, label) {
    const said = { verdict: "relabelled", new_label: label };
    return this.change(id, said, { what: "relabelled", label });
  }

  write(id, note) {
    if (note !== this.of(id).note) this.change(id, { note }, { what: "noted", note });
  }

  tag(id, tags) {
    const before = this.of(id).tags;
    const add = tags.filter((tag) => !before.includes(tag));
    const remove = before.filter((tag) => !tags.includes(tag));
    if (add.length || remove.length) this.change(id, { tags }, { what: "tagged", add, remove });
  }

  change(id, said, asked) {
    const before = this.of(id);
    const step = { id, before, change: null };
    this.done.push(step);
    this.set(id, { ...before, ...said });
    const body = { ...asked, sighting_ids: [id], annotator: this.annotator };
    const onSaved = (answer) => {
      step.change = answer.change;
    };
    const onFailed = () => {
      this.done = this.done.filter((other) => other !== step);
      this.set(id, before);
    };
    this.save(id, "review", { body: () => body, onSaved, onFailed });
  }

  // The sighting of which the last thing was said; undefined if there was none.
  undo() {
    const step = this.done.pop();
    if (!step) return undefined;
    const { id, before } = step;
    const now = this.of(id);
    this.set(id, before);
    const body = () => ({ change: step.change, sighting_ids: [id] });
    this.save(id, "undo", { body, onSaved: () => {}, onFailed: () => this.set(id, now) });
    return id;
  }

  set(id, said) {
    this.said.set(id, said);
    this.onChange(id);
  }

  // body: called when it is this one's turn, for it may need what one before it was told.
  save(id, what, { body, onSaved, onFailed }) {
    this.pending.set(id, (this.pending.get(id) || 0) + 1);
    this.saving = this.saving.then(async () => {
      const answer = await post(`/api/sightings/${what}`, body());
      this.pending.set(id, this.pending.get(id) - 1);
      if (!answer.ok) {
        onFailed();
        this.say(`Not saved: ${answer.body}`);
        return;
      }
      onSaved(answer.body);
      const said = answer.body.reviews[id];
      if (said && !this.pending.get(id)) this.set(id, said);
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
