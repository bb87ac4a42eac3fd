// The scores that the timeline draws: of the whole clip, or finer ones of the stretch on screen.
import { passesAll } from "./zones.js";

const MOST_KEPT = 100; // curves, of up to 70 kB each
const RETRY_AFTER_MS = 2000;
const SHOWN_SHARE = 0.75; // of a stretch, at most; the next begins after a quarter of it
const WHOLE = "all";

// One label's scores. at_us: the times; low, high: the scores from each to the next, NaN where
// there are none; state: 1 if a sample there failed, 2 if one was gated or not analysed.
class Curve {
  constructor({ arrays, is_exact }, i, version) {
    this.at_us = arrays.at_us;
    this.high = arrays[`high.${i}`];
    this.low = is_exact ? this.high : arrays[`low.${i}`];
    this.state = arrays[`state.${i}`];
    this.isExact = is_exact;
    this.version = version;
  }
}

export class Curves {
  constructor(model) {
    this.model = model;
    this.forget();
  }

  forget() {
    this.kept = new Map(); // by stretch, label and filter, the one that was used longest ago first
    this.last = new Map(); // the last curve of the whole clip, by label
    this.retryAt = 0;
  }

  // What came with the overview: unfiltered, of the whole clip.
  takeOverview(overview) {
    overview.curves.forEach((label, i) => {
      this.keep(WHOLE, label, "", new Curve(overview, i, overview.version));
    });
  }

  // The best curve of a label that there is; undefined if none is.
  of(label, from_us, to_us) {
    const filter = this.filterOf(label);
    return (
      this.find(this.stretch(from_us, to_us).name, label, filter) ||
      this.find(WHOLE, label, filter) ||
      this.last.get(label)
    );
  }

  // Fetch what is not there, or of an older log, for labels that are drawn.
  async want(labels, from_us, to_us) {
    const { model } = this;
    if (model.requests.isPending("curves") || Date.now() < this.retryAt) return;
    const stretch = this.stretch(from_us, to_us);
    const wanted = labels.filter((label) => this.isMissing(stretch, label));
    if (!wanted.length) return;
    const filters = wanted.map((label) => this.filterOf(label));
    const { from_us: begin_us, to_us: end_us } = stretch;
    const asked = { labels: wanted, rule: model.rule, from_us: begin_us, to_us: end_us };
    const { kept } = this;
    const { version } = model.log; // the answer may be newer; then the log will be, too
    const answer = await model.requests.postForBinary("curves", model.address("curves"), asked);
    if (!answer || kept !== this.kept) return;
    if (answer.ok) {
      wanted.forEach((label, i) => {
        this.keep(stretch.name, label, filters[i], new Curve(answer.body, i, version));
      });
    } else {
      for (const label of wanted) this.last.delete(label); // drawn for other zones
      this.retryAt = Date.now() + RETRY_AFTER_MS;
      model.fail(answer.body);
    }
    model.emit("curves");
  }

  isMissing(stretch, label) {
    const { log } = this.model;
    if (!log.labels.includes(label)) return false;
    const filter = this.filterOf(label);
    const isNew = (curve) => curve && curve.version === log.version;
    if (isNew(this.find(stretch.name, label, filter))) return false;
    // Where the whole clip has no more samples than a screen shows, there is nothing finer.
    const whole = this.find(WHOLE, label, filter);
    return !(isNew(whole) && whole.isExact);
  }

  // A part of the clip that holds what is shown, of few: half of the clip, a quarter, and so on.
  stretch(from_us, to_us) {
    const { first_pts_us, end_us } = this.model.data;
    const whole_us = end_us - first_pts_us;
    let length_us = whole_us;
    while ((length_us / 2) * SHOWN_SHARE >= Math.max(1, to_us - from_us)) length_us /= 2;
    if (length_us === whole_us) return { name: WHOLE, from_us: null, to_us: null };
    const quarter_us = length_us / 4;
    const begin_us = first_pts_us + Math.floor((from_us - first_pts_us) / quarter_us) * quarter_us;
    const ends = { from_us: Math.round(begin_us), to_us: Math.round(begin_us + length_us) };
    return { name: `${ends.from_us}-${ends.to_us}`, ...ends };
  }

  filterOf(label) {
    const { box_filter } = this.model.ruleOf(label);
    return passesAll(box_filter) ? "" : JSON.stringify(box_filter);
  }

  find(stretch, label, filter) {
    return this.kept.get(`${stretch}\n${filter}\n${label}`);
  }

  keep(stretch, label, filter, curve) {
    const name = `${stretch}\n${filter}\n${label}`;
    this.kept.delete(name);
    this.kept.set(name, curve);
    if (stretch === WHOLE) this.last.set(label, curve);
    while (this.kept.size > MOST_KEPT) this.kept.delete(this.kept.keys().next().value);
  }
}
