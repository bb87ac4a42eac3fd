// The run's pictures with its boxes and sightings as a video: a worker makes it in the background.
import { button, element, note } from "./elements.js";
import { seconds } from "./formatting.js";

const LOOK_MS = 700;
const ABOUT =
  "Every picture with its boxes and the sightings of the rule on it, as H.264 MP4 without sound.";
const CANCELLED = "Cancelled. Nothing of it was kept.";
const ABOUT_RUNNING = " This run goes on: the video has what was analysed until it is begun.";

export class AnnotatedVideo {
  constructor(model, drawer, root) {
    Object.assign(this, { model, drawer });
    this.place = root.querySelector(".annotated");
    this.state = null; // as the server last told it
    drawer.addEventListener("opened", () => this.look());
    model.addEventListener("opened", () => this.clear());
    model.addEventListener("sightings", () => this.look());
    for (const name of ["rule", "failed", "blind"]) {
      model.addEventListener(name, () => this.show());
    }
  }

  // Nothing of the run before is left.
  clear() {
    clearTimeout(this.timer);
    this.state = null;
    this.show();
  }

  // Of the rule that is shown; null while its hash is not known.
  address() {
    const { answer, data } = this.model;
    const isKnown = answer && this.model.isCurrent();
    return isKnown ? `/api/runs/${data.run_id}/annotated/${answer.rule_hash}` : null;
  }

  // What was told of it, if that is of the rule that is shown.
  known() {
    const { rule_hash } = this.model.answer || {};
    const isOther = this.state?.rule_hash && this.state.rule_hash !== rule_hash;
    return isOther ? null : this.state;
  }

  // How far it is: while it is looked at, and as long as it is made.
  async look() {
    const address = this.address();
    const isWanted = this.drawer.shows("video") || isActive(this.known());
    if (address && isWanted) await this.ask(address);
  }

  begin() {
    const { data, rule } = this.model;
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ rule });
    return this.ask(`/api/runs/${data.run_id}/annotated`, { method: "POST", headers, body });
  }

  cancel() {
    return this.ask(this.address(), { method: "DELETE" });
  }

  async ask(address, options = {}) {
    clearTimeout(this.timer);
    if (!address) return;
    const answer = await this.model.requests.send("annotated", address, options);
    if (!answer) return;
    if (answer.ok) this.state = answer.body;
    else this.state = { state: "failed", error: answer.body };
    if (isActive(this.state)) this.timer = setTimeout(() => this.look(), LOOK_MS);
    this.show();
  }

  show() {
    const { drawer, model, place } = this;
    const state = this.known();
    drawer.say("video", isActive(state) ? shareOf(state) : "");
    if (model.isBlind || !model.data) {
      place.replaceChildren();
      return;
    }
    const about = model.log?.state === "running" ? ABOUT + ABOUT_RUNNING : ABOUT;
    const line = element("div", { className: "making" }, ...this.parts(state || {}));
    // Of another rule than that which is shown nothing is offered.
    for (const made of line.querySelectorAll("button")) made.disabled = !model.isCurrent();
    place.replaceChildren(note(about), line);
  }

  parts(state) {
    const begin = (text) => button(text, "", () => this.begin());
    if (!state.state || state.state === "none") return [begin("Annotated video")];
    if (isActive(state)) {
      const bar = element("progress", { max: state.total || 1, ariaLabel: "Annotated video" });
      if (state.total) bar.value = state.done;
      const cancel = button("Cancel", "", () => this.cancel());
      return [bar, note(progressOf(state)), cancel];
    }
    if (state.state === "done") return [this.download(state), begin("Make it again")];
    const isFailed = state.state === "failed";
    const said = isFailed ? `It was not made: ${state.error}` : CANCELLED;
    return [begin("Annotated video"), note(said, isFailed ? "note error" : "note")];
  }

  download({ bytes }) {
    const href = `${this.address()}/file`;
    const size = `${(bytes / 1e6).toFixed(1)} MB`;
    return button(`Download annotated video (${size})`, "", () =>
      element("a", { href, download: "" }).click(),
    );
  }
}

export const isActive = (state) => ["queued", "running"].includes(state?.state);

// Such as "1,250 of 4,000 frames, 12.00 s left".
export function progressOf({ state, done, total, left_s }) {
  if (state === "queued") return "It waits for another one.";
  const number = (value) => (value ?? 0).toLocaleString("en");
  const frames = `${number(done)}${total ? ` of ${number(total)}` : ""} frames`;
  return left_s && total ? `${frames}, ${seconds(left_s)} left` : frames;
}

const shareOf = ({ done, total }) => (total ? `${Math.floor((100 * done) / total)} %` : "…");
