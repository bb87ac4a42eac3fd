// Which stretch of the clip the timeline shows, and where on it a time lies.
const LEAST_SPAN_S = 0.5;
const MARGIN = 0.1; // of what is shown, before a time that has come into view

export class TimeScale {
  constructor() {
    this.full = null; // [from, to] of the clip, in seconds
    this.from = 0;
    this.to = 1;
    this.width = 0;
  }

  get span() {
    return this.to - this.from;
  }

  // Whether the whole clip is shown.
  get isWhole() {
    return !this.full || this.span >= this.full[1] - this.full[0] - 1e-9;
  }

  showAll({ first_pts_us, end_us }) {
    this.from = first_pts_us / 1e6;
    this.to = Math.max(this.from + 0.1, end_us / 1e6);
    this.full = [this.from, this.to];
  }

  // The end has moved; who sees the whole goes on seeing it.
  grow(end_s) {
    if (!this.full || end_s <= this.full[1]) return;
    if (this.isWhole) this.to = end_s;
    this.full[1] = end_s;
  }

  x(time_s) {
    return ((time_s - this.from) / this.span) * this.width;
  }

  time(x, width) {
    return this.from + (x / width) * this.span;
  }

  holds(time_s) {
    return time_s >= this.from && time_s <= this.to;
  }

  // Longer (above 1) or shorter; the time stays where it is on the screen.
  zoom(factor, around_s) {
    const span = this.within(this.span * factor);
    const share = (around_s - this.from) / this.span;
    this.from = around_s - share * span;
    this.to = this.from + span;
    this.pan(0);
  }

  within(span) {
    const full_s = this.full[1] - this.full[0];
    return Math.min(full_s, Math.max(Math.min(LEAST_SPAN_S, full_s), span));
  }

  // By a share of what is shown, and never beyond the clip.
  pan(share) {
    const { span, full } = this;
    this.from = Math.min(full[1] - span, Math.max(full[0], this.from + share * span));
    this.to = this.from + span;
  }

  // A stretch, the whole of it.
  showStretch(from_s, to_s) {
    const span = this.within(to_s - from_s);
    this.from = (from_s + to_s - span) / 2;
    this.to = this.from + span;
    this.pan(0);
  }

  // Move one end, "from" or "to"; the other stays.
  setEnd(end, time_s) {
    if (end === "from") {
      const span = this.within(this.to - Math.max(this.full[0], time_s));
      this.from = this.to - span;
    } else {
      const span = this.within(Math.min(this.full[1], time_s) - this.from);
      this.to = this.from + span;
    }
  }

  // Bring a time into view: as the next page where it goes on, else in the middle.
  follow(time_s) {
    if (this.holds(time_s)) return;
    const isNextPage = time_s > this.to && time_s < this.to + this.span;
    const { span } = this;
    this.from = time_s - span * (isNextPage ? MARGIN : 0.5);
    this.to = this.from + span;
    this.pan(0);
  }
}
