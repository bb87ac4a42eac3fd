// What the player knows: the score log, the rule, and the sightings that the server found.
import { Connection } from "./connection.js";
import { Curves } from "./curves.js";
import { LabelColours } from "./label_colours.js";
import { LogPolling } from "./log_polling.js";
import { RecentSamples } from "./recent_samples.js";
import { Requests } from "./requests.js";
import { ScoreLog } from "./score_log.js";
import { Windows } from "./windows.js";
import { passes } from "./zones.js";

const MOST_TRACKS = 12;

export class Model extends EventTarget {
  constructor() {
    super();
    this.connection = new Connection();
    this.connection.addEventListener("changed", () => this.reconnect());
    this.requests = new Requests(() => this.connection.look());
    this.polling = new LogPolling(this);
    this.curves = new Curves(this);
    this.windows = new Windows(this);
    this.recent = new RecentSamples();
    this.colours = new LabelColours();
    this.isBlind = false;
    this.markedLabel = "";
    this.forget();
  }

  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // ---- runs

  load(data) {
    const isOther = this.data?.run_id !== data.run_id;
    this.data = data;
    this.rule = structuredClone(data.rule);
    if (isOther) {
      this.forget();
      this.emit("opened");
    }
    this.fetchLog();
  }

  // A session that goes on may have come further than Python knows.
  withEnd(data) {
    const known_us = this.data?.run_id === data.run_id ? this.data.end_us : 0;
    return { ...data, end_us: Math.max(data.end_us, known_us) };
  }

  // Nothing of the run before is left, and what was asked for it does not count any more.
  forget() {
    this.requests.cancelAll();
    this.curves.forget();
    this.windows.forget();
    this.recent.forget();
    this.colours.forget();
    Object.assign(this, { log: null, answer: null, error: null, labels: [], scope: "" });
    this.answered = null; // the rule that the answer is of, as text
    this.isOutdated = false;
  }

  // The app is away, or lets the page in no more; or it is back: then what is missing is asked for.
  reconnect() {
    if (this.connection.problem) {
      this.fail();
      return;
    }
    this.error = null;
    this.emit("back");
    if (this.log) this.replay();
    if (this.data) this.fetchLog();
  }

  // Of a run that is done the browser keeps the answers, by the version of its log.
  address(what, query = "") {
    const { run_id, state, log_v } = this.data;
    const version = state === "done" ? `v=${log_v || 1}` : "";
    const all = [query, version].filter(Boolean).join("&");
    return `/api/runs/${run_id}/${what}${all ? `?${all}` : ""}`;
  }

  fetchLog() {
    return this.polling.fetch();
  }

  // Something new is known to be there.
  look() {
    this.polling.look();
  }

  // Of a run that goes on: those that were decided just now.
  takeSamples(run_id, samples) {
    const fresh = this.recent.add(run_id, samples);
    if (run_id === this.data?.run_id) this.colours.see(fresh);
  }

  // overview: as the server sends it; the same one again changes nothing.
  setLog(overview) {
    const before = this.log;
    if (before && before.version === overview.version) return;
    this.log = new ScoreLog(overview);
    this.labels = this.log.strongest();
    if (before) this.windows.refresh(before, this.log);
    this.curves.takeOverview(overview);
    this.colours.take(this.log);
    if (this.recent.run_id === this.data.run_id) this.colours.see(this.recent.samples);
    this.emit("log");
    this.replay();
  }

  colour(label) {
    return this.colours.of(label);
  }

  // ---- the rule

  isOn(label) {
    return !this.rule || this.rule.only === null || this.rule.only.includes(label);
  }

  ruleOf(label) {
    return this.rule.labels[label] || this.rule.default;
  }

  // The settings that the panel shows: of the label in scope, or of every label.
  shownRule() {
    return this.scope ? this.ruleOf(this.scope) : this.rule.default;
  }

  // Another rule for the same run.
  setRule(rule) {
    this.requests.cancel("replay");
    this.rule = structuredClone(rule);
    this.changed();
  }

  edit(change) {
    const { labels, default: common } = this.rule;
    if (this.scope) labels[this.scope] ??= structuredClone(common);
    change(this.scope ? labels[this.scope] : common);
    this.changed();
  }

  // The settings that count for a label: its own or the common ones; a label in scope gets its own.
  editRuleOf(label, change) {
    if (this.scope === label) this.edit(change);
    else {
      change(this.ruleOf(label));
      this.changed();
    }
  }

  // From all labels, the first click means: only this one.
  toggle(label) {
    const { only } = this.rule;
    if (only === null) this.rule.only = [label];
    else if (only.includes(label)) this.rule.only = only.filter((name) => name !== label);
    else this.rule.only = [...only, label].sort();
    this.changed();
    this.emit("released");
  }

  showAll() {
    this.rule.only = null;
    this.changed();
    this.emit("released");
  }

  followCommonRule(label) {
    delete this.rule.labels[label];
    this.changed();
    this.emit("released");
  }

  changed() {
    this.emit("rule");
    this.replay();
  }

  // The server decides. One question at a time; the newest rule is asked last.
  async replay() {
    if (this.requests.isPending("replay")) {
      this.isOutdated = true;
      return;
    }
    this.isOutdated = false;
    const { run_id, tiou, annotator } = this.data;
    const asked = { run_id, rule: this.rule, tiou: tiou || 0.5, annotator: annotator || null };
    const rule = JSON.stringify(this.rule);
    const answer = await this.requests.post("replay", "/api/replay", asked);
    if (!answer) return;
    if (answer.ok) this.setAnswer(answer.body, rule);
    else this.dropAnswer(answer.body);
    if (this.isOutdated) this.replay();
  }

  setAnswer(answer, ruleText) {
    this.answer = answer;
    this.answered = ruleText;
    this.error = null;
    this.emit("sightings");
  }

  // Nothing of an older rule is left.
  dropAnswer(why) {
    this.answer = this.answered = null;
    this.fail(why);
  }

  // Whether the sightings and figures are those of the rule.
  isCurrent() {
    return this.answer !== null && this.answered === JSON.stringify(this.rule);
  }

  isRefused() {
    return this.answer === null && Boolean(this.error);
  }

  fail(text) {
    this.error = this.connection.problem || text;
    this.emit("failed");
  }

  // ---- what is drawn

  // Labels with a track: those that are on, and one that is only annotated.
  trackLabels() {
    const on = this.labels.filter(({ name }) => this.isOn(name)).slice(0, MOST_TRACKS);
    const names = on.map(({ name }) => name);
    const isMissing = this.markedLabel && !names.includes(this.markedLabel);
    return isMissing ? [...names, this.markedLabel] : names;
  }

  // The label whose decisions are explained.
  explainedLabel() {
    return this.scope || this.trackLabels()[0];
  }

  sightings() {
    return this.answer?.sightings || [];
  }

  passes(detection) {
    return passes(this.ruleOf(detection.label).box_filter, detection.box, this.data.size_px);
  }
}
