// The player. Streamlit calls this again at every rerun: all state lives on the element.
import { AnnotatePanel } from "./annotate_panel.js";
import { AnnotatedVideo } from "./annotated_video.js";
import { AnnotationBands } from "./annotation_bands.js";
import { Annotations } from "./annotations.js";
import { Drawer } from "./drawer.js";
import { History } from "./history.js";
import { Keyboard } from "./keyboard.js";
import { KeysHelp } from "./keys.js";
import { Leaving } from "./leaving.js";
import { explainedLegend } from "./legend.js";
import { Live } from "./live.js";
import { Marking } from "./marking.js";
import { Model } from "./model.js";
import { Modes } from "./modes.js";
import { Reasons } from "./reasons.js";
import { jsonPost } from "./requests.js";
import { Results } from "./results.js";
import { RulePanel } from "./rule_panel.js";
import { RuleSteps } from "./rule_steps.js";
import { Snippets } from "./snippets.js";
import { Sound } from "./sound.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { Transport } from "./transport.js";
import { TruthFigures } from "./truth_figures.js";
import { Undoing } from "./undoing.js";
import { ZoneHandles } from "./zone_handles.js";

const PLAYHEAD_AFTER_MS = 400;

export class Player {
  constructor(root) {
    this.root = root;
    this.leaving = new Leaving(root);
    this.shown = {}; // what Python last said
    const model = (this.model = new Model());
    const stage = (this.stage = new Stage(model, root));
    this.sound = new Sound(model);
    this.timeline = new Timeline(model, stage, this.sound, root);
    this.live = stage.live = new Live(model, stage, this.timeline, root);
    this.history = new History();
    this.ruleSteps = new RuleSteps(model, this.history);
    const annotator = localStorage.getItem("lab-annotator") || "me";
    this.annotations = new Annotations(annotator, this.history);
    this.marking = new Marking(model, stage, this.annotations);
    this.marking.undoing = new Undoing(this.history, stage, this.marking);
    this.bands = new AnnotationBands(this.marking, this.timeline);
    this.drawer = new Drawer(root);
    this.modes = new Modes(root);
    this.annotatePanel = new AnnotatePanel(this.marking, this.modes, root);
    this.rulePanel = new RulePanel(model, stage, root);
    this.keysHelp = new KeysHelp(root, explainedLegend());
    this.transport = new Transport(model, stage, this.timeline, root);
    stage.handles = new ZoneHandles(model, stage);
    this.truthFigures = new TruthFigures(model, stage, root);
    this.results = new Results(model, stage, this.marking, root);
    this.reasons = new Reasons(model, stage, this.timeline, this.drawer, root);
    this.snippets = new Snippets(model, this.drawer, root);
    this.annotatedVideo = new AnnotatedVideo(model, this.drawer, root);
    this.keyboard = new Keyboard(this);
    this.listen();
    root.focus({ preventScroll: true });
  }

  listen() {
    const { model, root } = this;
    root.addEventListener("keydown", (event) => this.keyboard.press(event));
    model.addEventListener("help", () => this.keysHelp.open());
    model.addEventListener("zone", () => {
      if (this.stage.drawing) root.focus({ preventScroll: true }); // the arrow keys draw it
    });
    model.addEventListener("released", () => {
      this.released = JSON.stringify(model.rule);
      this.reportRule();
    });
    for (const name of ["sightings", "failed"]) {
      model.addEventListener(name, () => this.reportResult());
    }
    model.addEventListener("back", () => this.annotations.reload());
    model.addEventListener("log", () => {
      if (model.log.state !== this.shown.state) this.report("run_state", model.log.state);
    });
    model.addEventListener("answered", (event) => this.report("answered", String(event.detail)));
    model.addEventListener("opened", () => clearTimeout(this.playheadTimer));
    model.addEventListener("time", () => this.reportPlayheadSoon());
    // Before Streamlit's own, which runs the page.
    this.path = location.pathname;
    const visit = () => {
      if (root.isConnected) this.reportAddress();
      else removeEventListener("popstate", visit, { capture: true });
    };
    addEventListener("popstate", visit, { capture: true });
  }

  report(name, value) {
    this.leaving.tell(name, value);
  }

  // With the run and the loading of a rule it belongs to, so that a stale one is known as such;
  // and whether the figures on the page are this rule's: only those are saved.
  reportRule() {
    const { model } = this;
    const { run_id, rule_n } = this.shown;
    const result = model.isCurrent() ? model.answer.result : null;
    const told = JSON.stringify({ run_id, rule_n, rule: model.rule, result });
    if (told !== this.told) this.report("rule", told);
    this.told = told;
  }

  // While a slider is dragged Python is told nothing.
  reportResult() {
    if (JSON.stringify(this.model.rule) === this.released) this.reportRule();
  }

  // Back and forward in the browser: the address is what the viewer wants, not the last rule.
  reportAddress() {
    if (location.pathname !== this.path) return; // to another page
    this.report("visited", JSON.stringify([Date.now(), location.search]));
  }

  // Where the viewer looks is where more prompts are looked for first.
  reportPlayheadSoon() {
    clearTimeout(this.playheadTimer);
    this.playheadTimer = setTimeout(() => {
      const { run_id } = this.shown;
      const playhead = jsonPost({ pts_s: this.stage.pts_s });
      fetch(`/api/runs/${run_id}/playhead`, playhead).catch(() => {});
    }, PLAYHEAD_AFTER_MS);
  }

  // What Python says now.
  show(told) {
    const { shown, stage } = this;
    const data = this.model.withEnd(told);
    const isSameRun = shown.run_id === data.run_id;
    const isOther = (...names) => names.some((name) => shown[name] !== data[name]);
    const isReloaded = isOther("run_id", "src", "state", "log_v");
    this.shown = { ...data, seek: data.seek || shown.seek };
    if (isReloaded) this.open(data, shown);
    this.live.show(data);
    if (isSameRun && isOther("rule_n")) this.takeRule(data.rule, isOther("session"));
    if (isOther("run_id", "rule_n")) this.released = JSON.stringify(this.model.rule);
    if (!data.src) stage.showMessage(data.src_wait);
    this.seek(data.seek, shown.seek);
    this.ask(data.ask || null); // after a seek: a question begins where it says
  }

  // Once to where Python wants.
  seek(wanted, before) {
    if (!wanted || wanted.n === before?.n) return;
    this.stage.seek(wanted.t);
    this.stage.play();
  }

  // A question: its stretch is zoomed and looped until it is answered.
  ask(question) {
    const { marking, stage, timeline } = this;
    const before = marking.question;
    marking.setQuestion(question);
    if (marking.question === before) return;
    const stretch = question && [question.start_us / 1e6, question.end_us / 1e6];
    stage.loop = question && !question.blind ? stretch : null;
    if (stage.loop) {
      const beside_s = (stretch[1] - stretch[0]) / 4; // to see what is around it
      timeline.showStretch(stretch[0] - beside_s, stretch[1] + beside_s);
    } else timeline.showAll();
    this.transport.show();
  }

  // One that was loaded on the page can be undone as one that was set here. A session that begins
  // under an open page has the rule of its address, which may have been moved since.
  takeRule(rule, isOtherSession) {
    if (isOtherSession) {
      this.reportRule();
      return;
    }
    this.model.setRule(rule);
    this.ruleSteps.keep();
  }

  // A run, or the same with another video or more samples: then rule and playhead stay.
  open(data, before) {
    const { model, stage, timeline } = this;
    const isSameRun = before.run_id === data.run_id;
    const isOtherVideo = !isSameRun || before.src !== data.src;
    const { pts_s } = stage;
    model.load({ ...data, rule: isSameRun ? model.rule : data.rule });
    if (isOtherVideo) stage.load(data);
    else stage.data = data;
    if (isOtherVideo) timeline.showAll();
    if (isOtherVideo && isSameRun) stage.seek(pts_s);
  }
}

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  parentElement.player ||= new Player(parentElement.querySelector(".lab"));
  const { player } = parentElement;
  player.leaving.send = setStateValue;
  player.show(data);
}
