// Why: the rule's state at the playhead, and each of its decisions, from the server.
import { element, note } from "./elements.js";
import { mediaTime, shortened } from "./formatting.js";
import { LANE_PX } from "./lanes.js";

const WHY_PX = 19; // the height of the line
const EXPLAIN_AFTER_MS = 120; // so that a playhead on its way asks nothing
// States of the server, in the words of the settings.
const STATES = { leaving: "exiting" };
const DECISIONS = {
  opened: "opened",
  not_opened: "not opened",
  closed: "closed",
  merged: "merged",
  dropped: "dropped",
  alerted: "alerted",
  silenced: "silenced",
};

export class Reasons {
  constructor(model, stage, timeline, drawer, root) {
    Object.assign(this, { model, stage, timeline, drawer });
    this.why = root.querySelector(".why");
    this.list = root.querySelector(".decided");
    drawer.addEventListener("opened", () => this.showDecisions());
    model.addEventListener("opened", () => this.clear());
    model.addEventListener("rule", () => this.cancel());
    model.addEventListener("sightings", () => this.showDecisions());
    model.addEventListener("failed", () => model.answer || this.clear());
    for (const name of ["sightings", "blind", "time"]) {
      model.addEventListener(name, () => this.explainSoon());
    }
  }

  // Nothing of the run or the rule before is left.
  clear() {
    this.cancel();
    this.why.replaceChildren();
    this.list.replaceChildren();
  }

  // What was asked of another rule does not count any more; the sightings of this one ask again.
  cancel() {
    clearTimeout(this.timer);
    for (const kind of ["explain", "decisions"]) this.model.requests.cancel(kind);
  }

  // What the server is asked about; null where there is nothing to explain.
  asked() {
    const { model } = this;
    const label = model.explainedLabel();
    if (!label || !model.log?.samples) return null;
    return { run_id: model.data.run_id, rule: model.rule, label };
  }

  // At the playhead, not while playing.
  explainSoon() {
    clearTimeout(this.timer);
    this.model.requests.cancel("explain");
    if (!this.stage.isPaused) this.why.replaceChildren();
    else this.timer = setTimeout(() => this.explain(), EXPLAIN_AFTER_MS);
  }

  async explain() {
    const asked = this.asked();
    if (!asked || this.model.isBlind) {
      this.why.replaceChildren();
      return;
    }
    const { pts_s } = this.stage;
    const answer = await this.model.requests.post("explain", "/api/explain", { ...asked, pts_s });
    if (!answer) return;
    if (!answer.ok) {
      this.why.replaceChildren();
      return;
    }
    const { state, reason, pts_s: sample_s } = answer.body;
    const at = `${shortened(asked.label)} at ${mediaTime(sample_s ?? pts_s)}`;
    const text = `Why, ${at}: ${STATES[state] || state}. `;
    this.why.replaceChildren(element("b", { textContent: text }), reason);
    this.why.title = text + reason;
    this.placeWhy(asked.label, sample_s ?? pts_s);
  }

  // At the foot of the label's lane, beside the playhead on the side that has more room.
  placeWhy(label, at_s) {
    const { scale } = this.timeline;
    const x = Math.max(0, Math.min(scale.width, scale.x(at_s)));
    const isLeft = x > scale.width / 2;
    const lane = Math.max(0, this.model.trackLabels().indexOf(label));
    const { scrollTop, clientHeight } = this.why.parentElement;
    const foot = (lane + 1) * LANE_PX - WHY_PX;
    const { style } = this.why;
    style.top = `${Math.max(scrollTop, Math.min(foot, scrollTop + clientHeight - WHY_PX))}px`;
    style.left = isLeft ? "auto" : `${x + 4}px`;
    style.right = isLeft ? `${scale.width - x + 4}px` : "auto";
    style.maxWidth = `${(isLeft ? x : scale.width - x) - 4}px`;
  }

  // One row a decision about the label in scope; the first ones, unless all are asked for.
  async showDecisions(limit = {}) {
    const asked = this.asked();
    if (!this.drawer.shows("decisions") || !asked || this.model.isBlind) return;
    const question = { ...asked, ...limit };
    const answer = await this.model.requests.post("decisions", "/api/decisions", question);
    if (!answer) return;
    if (!answer.ok) {
      this.list.textContent = answer.body;
      return;
    }
    const { decisions, total } = answer.body;
    this.list.replaceChildren(...this.decisionRows(asked.label, decisions));
    if (decisions.length < total) this.list.append(this.showAll(decisions.length, total));
  }

  showAll(shown, total) {
    const textContent = `The first ${shown} of ${total} decisions are shown. Show all`;
    const more = element("button", { className: "more", textContent });
    more.onclick = () => this.showDecisions({ most: null });
    return more;
  }

  decisionRows(label, decisions) {
    const none = `No decision about ${label} in this clip: no score came near the threshold.`;
    if (!decisions.length) return [note(none)];
    return decisions.map(({ pts_s, kind, reason, turned_by }) => {
      const turned = turned_by ? `otherwise with ${turned_by}` : "";
      const row = element(
        "button",
        { className: "decision", title: "Go there" },
        element("span", { textContent: mediaTime(pts_s) }),
        element("b", { textContent: DECISIONS[kind] }),
        element("span", { textContent: reason }),
        element("span", { className: "turned", textContent: turned }),
      );
      row.onclick = () => this.stage.goTo(pts_s);
      return row;
    });
  }
}
