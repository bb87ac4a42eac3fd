// The samples and boxes near the playhead: fetched by the minute, ahead of it, and dropped again.
import { NEAR_US, sampleAt } from "./clip_time.js";
import { SampleWindow } from "./score_log.js";

export const WINDOW_US = 60_000_000;
const MOST_BYTES = 48e6;
const RETRY_AFTER_MS = 2000;
const MOST_STEPS = 4; // windows that one sample may take: its own, and the one before

const numberOf = (pts_us) => Math.floor(pts_us / WINDOW_US);

export class Windows {
  constructor(model) {
    this.model = model;
    this.forget();
  }

  forget() {
    this.kept = new Map(); // by number, the one that was used longest ago first
    this.loading = new Map(); // the number that is being fetched, by the kind of its request
    this.retryAt = 0;
  }

  // The log has changed: samples came after the last, or went with a part that is damaged; labels
  // that join are on all samples.
  refresh(before, log) {
    const isJoining = before.adding.length > 0 || log.adding.length > 0;
    const isEverywhere = isJoining || String(before.damaged) !== String(log.damaged);
    const last = numberOf(Math.min(before.last_us ?? 0, log.last_us ?? 0));
    for (const [number, window] of this.kept) {
      const isLast = window.after_us === null || number >= last;
      if (isEverywhere || isLast) window.isStale = true;
    }
  }

  // The last sample at or before a time, null before the first; undefined while that is not known,
  // then it is fetched.
  sampleAt(pts_us) {
    const { data, recent } = this.model;
    const newest = recent.sampleAt(data.run_id, pts_us);
    if (newest) return newest;
    const number = numberOf(pts_us + NEAR_US);
    const window = this.get(number);
    if (!window) return undefined;
    this.fetchAhead(number + 1);
    const position = sampleAt(window.pts_us, pts_us);
    if (position >= 0) return window.sample(position);
    if (window.before_us === null) return null;
    const before = this.get(numberOf(window.before_us));
    return before?.sample(before.pts_us.length - 1);
  }

  // The time of the sample before (-1) or after (1) the one at a time; null if there is none.
  async neighbour(pts_us, count) {
    const { log } = this.model;
    let sample = this.sampleAt(pts_us);
    for (let i = 0; i < MOST_STEPS && sample === undefined; i++) {
      await this.pending;
      sample = this.sampleAt(pts_us);
    }
    if (log !== this.model.log || sample === undefined) return null;
    if (sample === null) return count > 0 ? log.first_us : null;
    return count > 0 ? sample.next_us : sample.before_us;
  }

  get(number) {
    const window = this.kept.get(number);
    if (window) {
      this.kept.delete(number);
      this.kept.set(number, window);
    }
    if (!window || window.isStale) this.fetch("window", number);
    return window;
  }

  fetchAhead(number) {
    const { last_us } = this.model.log;
    const isThere = this.kept.get(number)?.isStale === false;
    if (!isThere && last_us !== null && number <= numberOf(last_us)) this.fetch("ahead", number);
  }

  fetch(kind, number) {
    const isLoading = [...this.loading.values()].includes(number);
    if (!isLoading && Date.now() >= this.retryAt) this.pending = this.load(kind, number);
  }

  async load(kind, number) {
    const { model, loading } = this;
    loading.set(kind, number);
    const stretch = `from_us=${number * WINDOW_US}&to_us=${(number + 1) * WINDOW_US}`;
    const answer = await model.requests.binary(kind, model.address("window", stretch));
    if (loading.get(kind) === number) loading.delete(kind);
    if (!answer || loading !== this.loading) return; // of another run, or not wanted any more
    if (!answer.ok) {
      this.retryAt = Date.now() + RETRY_AFTER_MS;
      model.fail(answer.body);
      return;
    }
    this.keep(number, new SampleWindow(answer.body, model.log.labels));
    model.emit("samples");
  }

  keep(number, window) {
    this.kept.delete(number);
    this.kept.set(number, window);
    let bytes = 0;
    for (const { bytes: more } of this.kept.values()) bytes += more;
    for (const [oldest, { bytes: fewer }] of this.kept) {
      if (bytes <= MOST_BYTES || this.kept.size <= 2) break;
      this.kept.delete(oldest);
      bytes -= fewer;
    }
  }
}
