// Marking what is true: presences, what was watched, verdicts on sightings.
import { isWithin } from "./clip_time.js";
import { mediaTime } from "./formatting.js";
import { between, contains, overlaps } from "./spans.js";
import { verdictChange } from "./verdicts.js";

const NEAR_S = 0.01;
const CHOOSE_LABEL = "Choose the label first.";

// Events: "changed" when something else is to be shown, "message" with a text.
export class Marking extends EventTarget {
  constructor(model, stage, annotations) {
    super();
    Object.assign(this, { model, stage, annotations });
    this.wantedLabel = sessionStorage.getItem("lab-label");
    this.addedLabel = null; // typed by the user
    this.label = ""; // what is marked
    this.question = null; // of the queue or of an audit
    this.drop();
    model.isBlind = Boolean(sessionStorage.getItem("lab-blind"));
    model.addEventListener("opened", () => this.open());
    model.addEventListener("log", () => annotations.load());
    for (const name of ["log", "rule", "scope", "blind"]) {
      model.addEventListener(name, () => this.update());
    }
    annotations.addEventListener("changed", () => this.update());
    annotations.addEventListener("saved", (event) => this.say(event.detail));
    annotations.addEventListener("kept", () => model.replay());
  }

  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  say(text) {
    this.emit("message", text);
  }

  // Another run; of another clip, nothing of the one before is left.
  open() {
    this.label = this.model.markedLabel = "";
    if (this.annotations.open(this.model.data.media_id)) {
      this.drop();
      this.say("");
    }
    this.emit("changed");
  }

  // Forget a mark that was begun; whether there was one.
  drop() {
    const wasBegun = Boolean(this.pending || this.watching);
    this.pending = null; // an annotation that was begun: { label, start_us }
    this.watching = null; // a watched stretch that was begun
    if (wasBegun) this.say("");
    if (wasBegun) this.emit("changed");
    return wasBegun;
  }

  // ---- labels

  labels() {
    const { model, annotations } = this;
    const all = [
      model.scope,
      ...model.trackLabels(),
      ...model.labels.map(({ name }) => name),
      ...annotations.records.map(({ label }) => label),
      this.addedLabel,
      this.question?.label,
    ];
    return [...new Set(all.filter(Boolean))].slice(0, 100);
  }

  // Keep the label that was chosen where there is one, and show what there is now.
  update() {
    if (!this.model.log || !this.model.rule) return;
    const labels = this.labels();
    this.label = labels.includes(this.wantedLabel) ? this.wantedLabel : labels[0] || "";
    this.model.markedLabel = this.label;
    this.emit("changed");
  }

  choose(label) {
    this.wantedLabel = label;
    if (label) sessionStorage.setItem("lab-label", label);
    this.update();
  }

  addLabel(name) {
    this.addedLabel = name?.trim() || null;
    this.choose(this.addedLabel);
  }

  // ---- marks at the playhead

  get now_us() {
    const { first_pts_us, end_us } = this.model.data;
    return Math.round(Math.min(end_us, Math.max(first_pts_us, this.stage.pts_us)));
  }

  get origin() {
    return this.question ? this.question.origin : "independent";
  }

  // An annotation: its start, and then its end.
  mark() {
    if (!this.label) this.say(CHOOSE_LABEL);
    else if (this.pending) this.endMark();
    else {
      this.pending = { label: this.label, start_us: this.now_us };
      const start = mediaTime(this.now_us / 1e6);
      this.say(`${this.label} begins at ${start}: M again where it ends, Esc drops it.`);
      this.emit("changed");
    }
  }

  endMark() {
    const { label, start_us } = this.pending;
    const span = between(start_us, this.now_us);
    if (span.start_us === span.end_us) {
      this.say("It ends where it begins: move the playhead, then M again; Esc drops it.");
      return;
    }
    this.pending = null;
    this.annotations.change([{ kind: "annotation", label, ...span, origin: this.origin }], []);
  }

  // A watched stretch: from here, and then to there.
  watch() {
    if (!this.label) this.say(CHOOSE_LABEL);
    else if (this.watching) this.endWatch();
    else {
      this.watching = { label: this.label, start_us: this.now_us };
      const start = mediaTime(this.now_us / 1e6);
      this.say(`Watched for ${this.label} from ${start}: C again where you stopped.`);
      this.emit("changed");
    }
  }

  endWatch() {
    const { label, start_us } = this.watching;
    const span = between(start_us, this.now_us);
    this.watching = null;
    if (span.end_us > span.start_us) this.addCoverage(label, span, this.origin);
    this.emit("changed");
  }

  watchWhole() {
    if (!this.label) {
      this.say(CHOOSE_LABEL);
      return;
    }
    const { label } = this;
    const { first_pts_us: start_us, end_us } = this.model.data;
    // The queue asks about stretches; who watched the whole clip was not led by it.
    const origin = this.origin === "queue" ? "independent" : this.origin;
    const known = this.annotations.findMine({ kind: "coverage", label, origin });
    this.watching = null;
    if (known.some((record) => contains(record, { start_us, end_us }))) {
      this.say(`The whole clip is marked as watched for ${label} already.`);
    } else this.addCoverage(label, { start_us, end_us }, origin);
  }

  addCoverage(label, { start_us, end_us }, origin, remove = []) {
    const record = { kind: "coverage", label, start_us, end_us, origin };
    return this.annotations.change([record], remove);
  }

  erase() {
    const { label, now_us } = this;
    const here = { start_us: now_us, end_us: now_us };
    const mine = this.annotations.findMine({ kind: "annotation", label });
    const ids = mine.filter((record) => overlaps(record, here)).map((record) => record.id);
    if (ids.length) this.annotations.change([], ids);
    else this.say(`No annotation of ${label} by ${this.annotations.annotator} at the playhead.`);
  }

  // ---- verdicts

  // verdict: accepted or rejected, on the sighting at the playhead.
  judge(verdict) {
    if (this.model.isBlind) {
      this.say("Blind: sightings are hidden, so they are not judged.");
      return;
    }
    const now_s = this.stage.pts_s;
    const here = this.model.sightings().filter((sighting) => isWithin(sighting, now_s, NEAR_S));
    const found = here.find((sighting) => !this.label || sighting.label === this.label);
    if (found) this.judgeSighting(found, verdict);
    else if (!here.length) this.say("No sighting at the playhead.");
    else this.say(`No sighting of ${this.label} here; ${here[0].label} is: choose it first.`);
  }

  judgeSighting(sighting, verdict) {
    const { annotations, model } = this;
    const { add, remove } = verdictChange(annotations, sighting, verdict);
    const { run_id } = model.data;
    const { rule_hash } = model.answer;
    annotations.change([{ ...add[0], run_id, rule_hash }, ...add.slice(1)], remove);
  }

  // ---- blind, and questions

  toggleBlind() {
    if (this.question?.blind) this.say("The audit is blind until it is answered.");
    else this.setBlind(!this.model.isBlind);
  }

  setBlind(isBlind) {
    this.model.isBlind = isBlind;
    if (isBlind) sessionStorage.setItem("lab-blind", "1");
    else sessionStorage.removeItem("lab-blind");
    this.model.emit("blind");
  }

  // A question from the queue or an audit: look from start to end, mark, and say that it is done.
  setQuestion(question) {
    if (JSON.stringify(question) === JSON.stringify(this.question)) return;
    const wasBlind = this.question?.blind;
    this.question = question;
    this.drop();
    if (question) {
      this.stage.seek(question.start_us / 1e6);
      this.wantedLabel = question.label;
    }
    // Blind for as long as an audit asks.
    if (question?.blind || wasBlind) this.setBlind(Boolean(question?.blind));
    this.update();
  }

  async answer(isNothingThere) {
    const asked = this.question;
    if (!asked || asked.media_id !== this.model.data.media_id) return;
    if (this.pending) this.mark();
    const { label, origin } = asked;
    const marks = this.annotations.findMine({ kind: "annotation", label, origin });
    const wrong = isNothingThere ? marks.filter((record) => contains(asked, record)) : [];
    await this.addCoverage(
      label,
      asked,
      origin,
      wrong.map((record) => record.id),
    );
    this.model.emit("answered", asked.n);
  }
}
