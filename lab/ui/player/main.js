// Streamlit calls this again at every rerun: all state lives on the element.
import { Annotate } from "./annotate.js";
import { Controls } from "./controls.js";
import { Model } from "./model.js";
import { Results } from "./results.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  let lab = parentElement.lab;
  if (!lab) {
    const root = parentElement.querySelector(".lab"), model = new Model();
    const stage = new Stage(model, root), timeline = new Timeline(model, stage, root);
    lab = parentElement.lab = { root, model, stage, timeline, controls: new Controls(model, stage, timeline, root), annotate: new Annotate(model, stage, timeline, root), results: new Results(model, stage, root) };
    root.addEventListener("keydown", (e) => lab.controls.key(e));
    // With the run and the loading it belongs to, so that a stale word is known as one.
    model.addEventListener("released", () => lab.report("told", JSON.stringify({ run_id: lab.run, rule_n: lab.ruleN, rule: model.rule })));
    model.addEventListener("log", () => { if (model.log.state !== lab.state) lab.report("run_state", model.log.state); });
    model.addEventListener("answered", (e) => lab.report("answered", String(e.detail)));
    // Where the viewer looks is where more prompts are looked for first.
    model.addEventListener("time", () => {
      clearTimeout(lab.heading);
      lab.heading = setTimeout(() => fetch(`/api/runs/${lab.run}/playhead`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ pts_s: stage.pts_s }) }).catch(() => {}), 400);
    });
    root.focus({ preventScroll: true });
  }
  lab.report = setStateValue;
  const { model, stage, timeline } = lab;
  if (lab.run !== data.run_id || lab.src !== data.src || lab.state !== data.state || lab.logV !== data.log_v) {
    const same = lab.run === data.run_id, rule = same ? model.rule : data.rule, at = stage.pts_s, reload = lab.src !== data.src || !same;
    Object.assign(lab, { run: data.run_id, src: data.src, state: data.state, logV: data.log_v, ruleN: same ? lab.ruleN : data.rule_n });
    if (!same) clearTimeout(lab.heading);
    model.load({ ...data, rule });
    if (reload) stage.load(data); else stage.data = data;
    if (reload) timeline.whole();
    if (same && reload) stage.seek(at);
  }
  if (data.rule_n !== lab.ruleN) {
    lab.ruleN = data.rule_n;
    model.setRule(data.rule);
  }
  lab.annotate.setAsk(data.ask || null);
  if (!data.src) stage.tell(data.src_wait);
  if (data.seek && data.seek.n !== lab.seekN) { lab.seekN = data.seek.n; stage.seek(data.seek.t); stage.video.play().catch(() => {}); }
}
