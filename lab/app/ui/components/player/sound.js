// The sound of a clip: whether it has any, and its waveform as a lane of the timeline.
import { LANE_PX } from "./lanes.js";

const AGAIN_AFTER_MS = 3000; // while the waveform is being made

export class Sound {
  constructor(model) {
    this.model = model;
    this.forget();
    model.addEventListener("opened", () => this.forget());
    model.addEventListener("log", () => this.ask());
  }

  // Nothing of the run before is left.
  forget() {
    clearTimeout(this.timer);
    Object.assign(this, { wave: null, isAsked: false, hint: "" });
  }

  // Once a run, when its curves are there.
  async ask(isAgain = false) {
    if (this.isAsked && !isAgain) return;
    this.isAsked = true;
    const { model } = this;
    if (model.data.is_recording) {
      this.hint = "Feeds are recorded without sound";
      return;
    }
    const address = `/api/media/${model.data.media_id}/sound`;
    const answer = await model.requests.binary("sound", address);
    if (!answer) return;
    if (answer.ok) this.take(answer.body);
    else this.hint = answer.body;
    model.emit("sound");
  }

  // wave: as the server sends it.
  take(wave) {
    const { has_sound, problem, state } = wave;
    if (state === "making") {
      this.timer = setTimeout(() => this.ask(true), AGAIN_AFTER_MS);
      return;
    }
    this.hint = problem || (has_sound ? "" : "The clip has no sound");
    if (has_sound || problem) this.wave = wave;
  }

  get isThere() {
    return Boolean(this.wave);
  }

  // Of its lane.
  get title() {
    return this.wave.problem || "sound";
  }

  // Each column of pixels from the lowest to the highest sample in it.
  draw(g, scale, top, ink) {
    const { from_us, to_us, arrays } = this.wave;
    const { low, high } = arrays;
    if (!high.length) return;
    const middle = top + LANE_PX / 2;
    const binOf = (x) => {
      const share = (scale.time(x, scale.width) * 1e6 - from_us) / (to_us - from_us);
      return Math.floor(share * high.length);
    };
    g.fillStyle = ink;
    g.globalAlpha = 0.55;
    g.beginPath();
    for (let x = 0; x < scale.width; x++) {
      const first = Math.max(0, binOf(x));
      const last = Math.min(high.length - 1, Math.max(first, binOf(x + 1) - 1));
      let [least, most] = [0, 0];
      for (let i = first; i <= last; i++) {
        if (low[i] < least) least = low[i];
        if (high[i] > most) most = high[i];
      }
      const y = middle - most * (LANE_PX / 2 - 2);
      g.rect(x, y, 1, Math.max(0.5, (most - least) * (LANE_PX / 2 - 2)));
    }
    g.fill();
    g.globalAlpha = 1;
  }
}
