// The annotations of one clip, with coverage and verdicts.
// A change is shown at once, then replaced by what the server stored.
import { History } from "./history.js";
import { jsonPost, Requests } from "./requests.js";
import { coveredUs } from "./spans.js";

const KINDS = { annotation: "an annotation", coverage: "a watched stretch", verdict: "a verdict" };

export class Annotations extends EventTarget {
  constructor(annotator, history = new History()) {
    super();
    Object.assign(this, { annotator, history });
    this.requests = new Requests();
    this.saving = Promise.resolve(); // one change at a time, in the order in which they were made
    this.unsaved = new Map(); // how many changes of a clip are under way
    this.media_id = null;
    this.forget();
  }

  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // Nothing of the clip before is left; whether it is another clip.
  open(media_id) {
    if (this.media_id === media_id) return false;
    this.requests.cancelAll();
    this.media_id = media_id;
    this.forget();
    return true;
  }

  forget() {
    this.records = [];
    this.history.forget("annotations");
    this.isAsked = false;
  }

  // Ask the server for them, once a clip.
  async load() {
    if (this.isAsked) return;
    this.isAsked = true;
    await this.reload();
  }

  async reload() {
    const { media_id } = this;
    const answer = await this.requests.send("annotations", `/api/media/${media_id}/annotations`);
    // What was changed since is shown already: an older answer must not take it back.
    if (answer?.ok && !this.unsaved.get(media_id)) this.setRecords(answer.body.records);
  }

  setRecords(records) {
    this.records = records;
    this.emit("changed");
  }

  // ---- what there is

  // Records that agree with all that is asked.
  find(asked) {
    const isEqual = (record) => Object.entries(asked).every(([name, v]) => record[name] === v);
    return this.records.filter(isEqual);
  }

  findMine(asked) {
    return this.find({ ...asked, annotator: this.annotator });
  }

  // Of a label: how many annotations, and how much of the clip was watched, in per cent.
  progress(label, { first_pts_us, end_us }) {
    const watched_us = coveredUs(this.find({ kind: "coverage", label }));
    const whole_us = end_us - first_pts_us;
    const percent = whole_us > 0 ? Math.min(100, Math.round((100 * watched_us) / whole_us)) : 0;
    return { marks: this.find({ kind: "annotation", label }).length, percent };
  }

  // ---- changes

  // One change, with what undoes it. add: records, those with a known id in its place; remove: ids.
  change(add, remove) {
    const fresh = add.map((record) => ({ id: newId(), annotator: this.annotator, ...record }));
    const ids = new Set([...remove, ...fresh.map((record) => record.id)]);
    const before = this.records.filter((record) => ids.has(record.id));
    const known = new Set(before.map((record) => record.id));
    const made = fresh.map((record) => record.id).filter((id) => !known.has(id));
    const step = { of: "annotations", what: KINDS[[...fresh, ...before][0]?.kind] };
    step.undo = () => this.apply(before, made, step);
    step.redo = () => this.apply(fresh, remove, step);
    this.history.add(step);
    return step.redo();
  }

  // Show it, and have it saved after what was changed before.
  apply(add, remove, step) {
    const ids = new Set([...remove, ...add.map((record) => record.id)]);
    this.setRecords([...this.records.filter((record) => !ids.has(record.id)), ...add]);
    const { media_id } = this;
    this.count(media_id, 1);
    this.saving = this.saving.then(() => this.save(media_id, { add, delete: remove }, step));
    return this.saving;
  }

  // Whether there was anything to undo.
  undo() {
    return Boolean(this.history.undo());
  }

  async save(media_id, change, step) {
    const answer = await post(`/api/media/${media_id}/annotations`, change);
    this.count(media_id, -1);
    if (this.media_id !== media_id) return;
    this.emit("saved", answer.ok ? "" : answer.body);
    if (!answer.ok) {
      this.history.drop(step);
      this.reload();
    } else if (!this.unsaved.get(media_id)) {
      this.requests.cancel("annotations");
      this.setRecords(answer.body.records);
      this.emit("kept");
    }
  }

  count(media_id, change) {
    this.unsaved.set(media_id, (this.unsaved.get(media_id) || 0) + change);
  }
}

function newId() {
  return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}

// A change is sent also when another clip is opened meanwhile.
async function post(address, value) {
  try {
    const response = await fetch(address, jsonPost(value));
    const body = response.ok ? await response.json() : await response.text();
    return { ok: response.ok, body };
  } catch (problem) {
    return { ok: false, body: `not saved: ${problem.message}` };
  }
}
