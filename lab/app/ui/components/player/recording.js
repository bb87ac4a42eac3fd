// Plays what was recorded of a live source: its segments, one after the other, in a <video>.
const AHEAD_S = 20;
const BEHIND_S = 60;
const LOOK_MS = 500;
const AGAIN_MS = 2000; // at the end of a recording that goes on

// The position of the segment that holds a time: the last that begins before it; -1 before the
// first.
export function segmentAt(segments, time_s) {
  return segments.findLastIndex(({ start_s }) => start_s <= time_s);
}

export class Recording {
  // onTrouble: called with why nothing can be played, null where something can, and the time that
  // was sought.
  constructor(video, onTrouble) {
    Object.assign(this, { video, onTrouble });
    this.close();
    video.addEventListener("seeking", () => {
      this.waitUntil = 0;
      this.look();
    });
  }

  // address: of the routes of a recording; null for none. first_s: the picture that is shown;
  // null: none, and nothing is asked before a seek.
  open(address, first_s) {
    this.close();
    this.address = address;
    if (address && first_s !== null) this.seek(first_s);
  }

  close() {
    clearInterval(this.timer);
    if (this.url) URL.revokeObjectURL(this.url);
    Object.assign(this, { address: null, index: null, buffer: null, url: null, at: null });
    this.isBusy = this.isOpening = false;
    this.waitUntil = 0;
  }

  // The newest of several seeks counts, also of those that come while it is opened.
  async seek(time_s) {
    this.target_s = time_s;
    if (!this.buffer && !this.isOpening) {
      this.isOpening = true;
      await this.begin();
      this.isOpening = false;
    }
    if (this.buffer) this.video.currentTime = this.target_s;
    else if (this.index) this.onTrouble(this.why, this.target_s);
  }

  async begin() {
    const { address } = this;
    const index = await this.fetchIndex();
    if (!index || address !== this.address) return;
    const isPlayable = index.codec && globalThis.MediaSource?.isTypeSupported(index.codec);
    this.why = isPlayable ? null : index.why || `its codec is ${index.codec}`;
    if (!isPlayable) return;
    this.onTrouble(null);
    await this.attach(index.codec);
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  async attach(codec) {
    const source = new MediaSource();
    this.url = URL.createObjectURL(source);
    this.video.src = this.url;
    await new Promise((done) => source.addEventListener("sourceopen", done, { once: true }));
    source.duration = Infinity;
    this.buffer = source.addSourceBuffer(codec);
    this.buffer.mode = "segments";
  }

  async fetchIndex() {
    const answer = await fetch(`${this.address}/index`, { cache: "no-store" }).catch(() => null);
    if (!answer?.ok) return null;
    return (this.index = await answer.json());
  }

  // What is missing at the playhead, or soon after it, is loaded; one thing at a time.
  async look() {
    if (!this.buffer || this.isBusy || Date.now() < this.waitUntil) return;
    this.isBusy = true;
    const { address } = this;
    try {
      await this.loadNext();
    } catch (problem) {
      if (address === this.address && problem.name !== "AbortError") console.warn(problem);
    }
    this.isBusy = false;
  }

  async loadNext() {
    const { video } = this;
    const missing_s = this.firstMissing(video.currentTime);
    if (missing_s > video.currentTime + AHEAD_S) return;
    const number = this.wanted(missing_s);
    if (number === null) return;
    const isOther = number !== this.at?.number;
    if (isOther) this.beginSegment(number);
    const got = await this.append();
    if (!got) await this.wait();
    await this.forgetOld();
  }

  // The segment to load: the one at a time, or the next if that is loaded to its end.
  wanted(time_s) {
    const { at, index } = this;
    let number = Math.max(0, segmentAt(index.segments, time_s));
    const isRead = at?.number === number && at.isComplete;
    if (isRead) number += 1;
    return number < index.segments.length ? number : null;
  }

  // The end of what is buffered from a time on.
  firstMissing(time_s) {
    const { buffered } = this.video;
    for (let i = 0; i < buffered.length; i++) {
      const isHere = buffered.start(i) <= time_s + 0.1 && time_s < buffered.end(i);
      if (isHere) return buffered.end(i);
    }
    return time_s;
  }

  beginSegment(number) {
    const { buffer, index } = this;
    const { offset_s, until_s } = index.segments[number];
    buffer.abort();
    buffer.appendWindowEnd = until_s ?? Infinity;
    buffer.timestampOffset = offset_s;
    this.at = { number, bytes: 0, isComplete: false };
  }

  // What came of the segment since; whether there was anything.
  async append() {
    const { at, index, buffer } = this;
    const { name } = index.segments[at.number];
    const headers = at.bytes ? { Range: `bytes=${at.bytes}-` } : {};
    const answer = await fetch(`${this.address}/${name}`, { headers, cache: "no-store" });
    const isLast = at.number === index.segments.length - 1;
    at.isComplete = !(isLast && index.is_open);
    if (!answer.ok) return false;
    const content = await answer.arrayBuffer();
    if (!content.byteLength || buffer !== this.buffer) return false;
    at.bytes += content.byteLength;
    buffer.appendBuffer(content);
    await updated(buffer);
    return true;
  }

  // At the end of what there is.
  async wait() {
    this.waitUntil = Date.now() + AGAIN_MS;
    if (this.index.is_open) await this.fetchIndex();
  }

  async forgetOld() {
    const { buffer, video } = this;
    const before_s = video.currentTime - BEHIND_S;
    if (before_s <= 0 || !buffer.buffered.length || buffer.buffered.start(0) >= before_s) return;
    buffer.remove(0, before_s);
    await updated(buffer);
  }
}

function updated(buffer) {
  if (!buffer.updating) return Promise.resolve();
  return new Promise((done) => buffer.addEventListener("updateend", done, { once: true }));
}
