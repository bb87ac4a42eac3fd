// Which stretch of the clip the timeline shows, and where on it a time lies.
const LEAST_SPAN_S = 0.5;

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

  showAll({ first_pts_us, end_us }) {
    this.from = first_pts_us / 1e6;
    this.to = Math.max(this.from + 0.1, end_us / 1e6);
    this.full = [this.from, this.to];
  }

  // With a quarter of it at either side, within the clip.
  showStretch(from_s, to_s) {
    const beside_s = Math.max(to_s - from_s, LEAST_SPAN_S) / 4;
    this.from = Math.max(this.full[0], from_s - beside_s);
    this.to = Math.min(this.full[1], to_s + beside_s);
  }

  x(time_s) {
    return ((time_s - this.from) / this.span) * this.width;
  }

  time(x, width) {
    return this.from + (x / width) * this.span;
  }

  // Longer (above 1) or shorter; the time stays where it is on the screen.
  zoom(factor, around_s) {
    const full_s = this.full[1] - this.full[0];
    const span = Math.min(full_s, Math.max(LEAST_SPAN_S, this.span * factor));
    const share = (around_s - this.from) / this.span;
    this.from = around_s - share * span;
    this.to = this.from + span;
    this.pan(0);
  }

  // By a share of what is shown, and never beyond the clip.
  pan(share) {
    const { span, full } = this;
    this.from = Math.min(full[1] - span, Math.max(full[0], this.from + share * span));
    this.to = this.from + span;
  }
}
