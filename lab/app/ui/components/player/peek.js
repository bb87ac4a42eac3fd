// The picture of the moment under the pointer.
import { element } from "./elements.js";
import { mediaTime } from "./formatting.js";

const WAIT_MS = 120; // until a pointer rests
const WIDTH_PX = 160;
const MOMENTS = 64; // of what is shown, at most: pictures are kept, so few of them serve many looks
const LEAST_STEP_S = 0.25;

// One of a fixed row of moments at or before a time, so that pictures are found again.
export function momentAt(time_s, span_s, first_s) {
  const doublings = Math.ceil(Math.log2(span_s / MOMENTS / LEAST_STEP_S));
  const step_s = LEAST_STEP_S * 2 ** Math.max(0, doublings);
  return first_s + Math.max(0, Math.floor((time_s - first_s) / step_s)) * step_s;
}

export class Peek {
  constructor(model, root) {
    this.model = model;
    this.time = element("span");
    this.image = element("img", { alt: "", hidden: true });
    this.box = element("div", { className: "peek", hidden: true, ariaHidden: "true" });
    this.box.append(this.image, this.time);
    this.wanted = ""; // the address of the picture that is to be shown
    this.loading = ""; // the one that is being loaded: one at a time
    this.image.addEventListener("load", () => this.loaded(true));
    this.image.addEventListener("error", () => this.loaded(false));
    model.addEventListener("opened", () => this.hide());
    root.append(this.box);
  }

  show(time_s, event, { canvas, scale }) {
    const { data } = this.model;
    const first_s = data.first_pts_us / 1e6;
    const at_s = Math.min(data.end_us / 1e6, Math.max(first_s, time_s));
    const moment_us = Math.round(momentAt(at_s, scale.span, first_s) * 1e6);
    this.box.hidden = false;
    this.time.textContent = mediaTime(at_s);
    this.place(event.clientX, canvas.parentElement.getBoundingClientRect());
    this.want(`/api/pictures/${data.media_id}/${moment_us}.jpg`);
  }

  // Above the lanes, within the window.
  place(x, { top }) {
    const left = Math.min(Math.max(4, x - WIDTH_PX / 2), innerWidth - WIDTH_PX - 4);
    this.box.style.left = `${left}px`;
    this.box.style.bottom = `${innerHeight - top + 24}px`;
  }

  hide() {
    clearTimeout(this.timer);
    this.box.hidden = true;
    this.wanted = "";
  }

  want(address) {
    if (this.wanted === address) return;
    this.wanted = address;
    this.image.hidden = this.shown !== address;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), WAIT_MS);
  }

  load() {
    const { wanted } = this;
    if (this.loading || !wanted || this.shown === wanted) return;
    this.loading = wanted;
    this.image.src = wanted;
  }

  loaded(isThere) {
    this.shown = isThere ? this.loading : "";
    const isWanted = this.loading === this.wanted;
    this.loading = "";
    this.image.hidden = !(isThere && isWanted);
    if (!isWanted) this.load();
  }
}
