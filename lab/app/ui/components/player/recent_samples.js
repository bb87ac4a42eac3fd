// The last samples of a run that goes on, as they came: the log is asked for them later.
import { sampleAt } from "./clip_time.js";

const MOST = 900;

export class RecentSamples {
  constructor() {
    this.forget();
  }

  forget() {
    this.samples = [];
    this.times = [];
    this.run_id = null;
  }

  // Samples of a run, as the WebSocket sends them, in any order; those that are there already are
  // left out. What is new.
  add(run_id, samples) {
    if (run_id !== this.run_id) this.forget();
    this.run_id = run_id;
    const known = new Set(this.times);
    const fresh = samples.filter(({ pts_us }) => !known.has(pts_us));
    const all = [...this.samples, ...fresh].sort((a, b) => a.pts_us - b.pts_us);
    this.samples = all.slice(-MOST);
    this.times = this.samples.map(({ pts_us }) => pts_us);
    return fresh;
  }

  // As that of Windows, undefined before the first.
  sampleAt(run_id, pts_us) {
    if (run_id !== this.run_id) return undefined;
    const position = sampleAt(this.times, pts_us);
    if (position < 0) return undefined;
    const { state, why, boxes, pts_us: own_us } = this.samples[position];
    const flag = (name) => (state === name ? why || name : undefined);
    return {
      pts_us: own_us,
      before_us: this.times[position - 1] ?? null,
      next_us: this.times[position + 1] ?? null,
      failed: flag("failed"),
      gated: flag("gated"),
      detections: () => boxes.map(detectionOf),
    };
  }
}

function detectionOf([label, confidence, ...box]) {
  return { label, confidence, box, text: null };
}
