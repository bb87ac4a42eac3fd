// The score log of a run: what the detector saw on every sample.
import { sampleAt } from "./clip_time.js";

export class ScoreLog {
  // log: as the server sends it; detections are sorted by their sample.
  constructor(log) {
    Object.assign(this, log);
    this.pts = Float64Array.from(log.pts_us);
    // Where the detections of each sample begin.
    this.first = new Int32Array(this.pts.length + 1);
    for (const position of log.sample) this.first[position + 1]++;
    for (let i = 0; i < this.pts.length; i++) this.first[i + 1] += this.first[i];
  }

  // Position of the last sample at or before a time; -1 before the first.
  sampleAt(pts_us) {
    return sampleAt(this.pts, pts_us);
  }

  // Labels with their highest scores, the highest first. One that was never seen is left out,
  // unless it was asked for by name or there are few.
  strongest() {
    const peaks = new Float32Array(this.labels.length);
    this.label.forEach((label, i) => {
      peaks[label] = Math.max(peaks[label], this.confidence[i]);
    });
    const all = this.labels.map((name, i) => ({ name, peak: peaks[i] }));
    const isListed = ({ peak }) => peak > 0 || this.prompted || this.labels.length <= 4;
    return all.filter(isListed).sort((a, b) => b.peak - a.peak);
  }

  detectionsAt(position) {
    const found = [];
    for (let i = this.first[position]; i < this.first[position + 1]; i++) {
      found.push({
        label: this.labels[this.label[i]],
        confidence: this.confidence[i],
        box: this.box.slice(4 * i, 4 * i + 4),
        text: this.text ? this.text[i] : null,
      });
    }
    return found;
  }

  // Positions of gated samples, and of those on which a label was not analysed yet.
  skipped(label) {
    return [...Object.keys(this.gated), ...(this.missing[label] || [])].map(Number);
  }

  failures() {
    return Object.keys(this.failed).map(Number);
  }

  // A label's score on every sample, NaN where it was not analysed.
  // filtered: the scores that the rule's filter leaves, of the analysed samples.
  curve(label, filtered = null) {
    const curve = new Float32Array(this.pts.length);
    const unseen = new Set([...this.failures(), ...this.skipped(label)]);
    if (filtered) {
      let next = 0;
      for (let i = 0; i < curve.length; i++)
        curve[i] = unseen.has(i) ? NaN : (filtered[next++] ?? NaN);
      return curve;
    }
    const wanted = this.labels.indexOf(label);
    this.sample.forEach((position, i) => {
      if (this.label[i] !== wanted) return;
      curve[position] = Math.max(curve[position], this.confidence[i]);
    });
    for (const position of unseen) curve[position] = NaN;
    return curve;
  }
}
