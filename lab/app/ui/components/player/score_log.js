// What is known of a run's log when it opens; its samples come by windows, its curves by stretches.
export class ScoreLog {
  // overview: as the server sends it.
  constructor(overview) {
    const { arrays, ...facts } = overview;
    Object.assign(this, facts);
    this.peaks = arrays.peaks;
  }

  // By how many seconds the camera's own clock is ahead of the clip's time of day; null where that
  // is not known.
  cameraAhead_s(pts_s) {
    const steps = this.camera_clock || [];
    return steps.findLast(([at_us]) => at_us <= pts_s * 1e6)?.[1] ?? null;
  }

  // Labels with their highest scores, the highest first. One that was never seen is left out,
  // unless it was asked for by name or there are few.
  strongest() {
    const all = this.labels.map((name, i) => ({ name, peak: this.peaks[i] }));
    const isListed = ({ peak }) => peak > 0 || this.prompted || this.labels.length <= 4;
    return all.filter(isListed).sort((a, b) => b.peak - a.peak);
  }
}

// Some seconds of samples with their boxes.
export class SampleWindow {
  constructor({ arrays, ...facts }, labels) {
    Object.assign(this, facts, arrays);
    this.labels = labels;
    this.bytes = Object.values(arrays).reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.isStale = false; // drawn until a newer one has come
  }

  // A sample with the times of those next to it, null at the ends of the log.
  sample(position) {
    const { pts_us, failed, gated } = this;
    return {
      pts_us: pts_us[position],
      before_us: pts_us[position - 1] ?? this.before_us,
      next_us: pts_us[position + 1] ?? this.after_us,
      failed: failed[position],
      gated: gated[position],
      detections: () => this.detectionsAt(position),
    };
  }

  detectionsAt(position) {
    const found = [];
    for (let i = this.first[position]; i < this.first[position + 1]; i++) {
      found.push({
        label: this.labels[this.label[i]],
        confidence: this.confidence[i],
        box: [...this.box.subarray(4 * i, 4 * i + 4)],
        text: this.text ? this.text[i] : null,
      });
    }
    return found;
  }
}
