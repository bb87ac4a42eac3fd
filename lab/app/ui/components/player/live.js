// The live edge of a feed in the player: its pictures, how it is, and what happens.
import { element } from "./elements.js";
import { feedLine } from "./feed_line.js";
import { LiveFeed } from "./live_feed.js";
import { ageOf, badgeOf, eventInWords, factsOf, messageOf } from "./live_words.js";

const SHOWN_MS = 6000;
const MOST_SHOWN = 3;
const NEAR_EDGE_S = 1;
const SAID_EVERY_MS = 1000;

export class Live {
  constructor(model, stage, timeline, root) {
    Object.assign(this, { model, stage, timeline, root });
    this.feed = new LiveFeed();
    this.status = {};
    this.isOn = false; // a feed is watched
    this.isAtEdge = false; // its newest picture is shown, or held
    this.isHeld = false;
    this.pictures = 0;
    this.build();
    this.listen();
  }

  build() {
    const picture = this.root.querySelector(".picture");
    this.canvas = element("canvas", { className: "newest", hidden: true });
    picture.insertBefore(this.canvas, picture.querySelector(".overlay"));
    Object.assign(this, feedLine(() => this.goLive(), () => this.stage.draw()));
    this.happened = element("div", { className: "happened", role: "log", ariaLive: "polite" });
    this.root.querySelector(".stage").append(this.line, this.happened);
  }

  listen() {
    const { feed, model } = this;
    feed.addEventListener("picture", ({ detail }) => this.takePicture(detail));
    feed.addEventListener("status", ({ detail }) => this.takeStatus(detail));
    feed.addEventListener("events", ({ detail }) => this.takeEvents(detail));
    feed.addEventListener("samples", ({ detail }) => this.takeSamples(detail));
    model.addEventListener("log", () => this.grow(model.log.last_us));
    document.addEventListener("visibilitychange", () => this.choosePictures());
    // How old the picture is, and when is tried again.
    setInterval(() => this.say(), SAID_EVERY_MS).unref?.(); // Node's tests do not wait for it
  }

  // data.live: the id of the feed whose run is shown, while it is watched. data.said: how it is
  // when that was its last run.
  show({ live, said, src }) {
    const isOther = (live || null) !== this.feed.feed;
    this.isOn = Boolean(live);
    this.line.hidden = !live && !said;
    if (said) this.sayEnd(said);
    if (!isOther) return;
    const wasAtEdge = this.isAtEdge;
    Object.assign(this, { knownEvents: null, isHeld: false, isAtEdge: this.isOn, newest: null });
    this.happened.replaceChildren();
    this.feed.open(live || null);
    this.showEdge();
    if (said && wasAtEdge && src) this.seekEnd();
  }

  // What was recorded last for sure: the picture of the last sample.
  seekEnd() {
    const { model, stage } = this;
    const last_us = Math.max(model.log?.last_us ?? 0, model.recent.times.at(-1) ?? 0);
    stage.seek(Math.min(stage.pts_s, last_us / 1e6));
  }

  // A run that is over: the picture is what was recorded of it.
  sayEnd(said) {
    this.badge.textContent = "";
    this.facts.textContent = said;
    this.sayRest("");
    this.back.hidden = true;
    this.stage.showMessage(null);
  }

  // ---- the live edge

  goLive() {
    Object.assign(this, { isAtEdge: true, isHeld: false });
    this.stage.video.pause();
    this.stage.target_s = undefined;
    this.stage.pts_us = this.painted_us ?? this.stage.pts_us; // until the next picture comes
    this.stage.draw();
    this.showEdge();
  }

  // To something earlier.
  leave() {
    if (!this.isAtEdge) return;
    if (!this.isHeld) this.stage.video.play()?.catch(() => {});
    Object.assign(this, { isAtEdge: false, isHeld: false });
    this.showEdge();
  }

  // The analysis goes on.
  toggle() {
    if (this.isHeld) this.goLive();
    else this.isHeld = true;
    this.showEdge();
  }

  showEdge() {
    const { isAtEdge, isHeld, isOn, root } = this;
    this.canvas.hidden = !isAtEdge;
    this.back.hidden = !isOn || (isAtEdge && !isHeld);
    root.dataset.live = isOn ? (isAtEdge ? (isHeld ? "held" : "live") : "back") : "";
    this.choosePictures();
    this.say();
    this.model.emit("time");
  }

  choosePictures() {
    this.feed.setPictures(this.isAtEdge && !this.isHeld && !document.hidden);
  }

  // ---- what comes

  // One is decoded at a time, and then the newest.
  async takePicture(picture) {
    this.newest = picture;
    if (this.isDecoding) return;
    this.isDecoding = true;
    while (this.newest) {
      const next = this.newest;
      this.newest = null;
      const image = await createImageBitmap(new Blob([next.jpeg], { type: "image/jpeg" })).catch(
        () => null,
      );
      if (image && this.isAtEdge && !this.isHeld) this.draw(image, next);
      image?.close();
    }
    this.isDecoding = false;
  }

  draw(image, { pts_us, wall_time }) {
    const { stage } = this;
    const { width, height } = image;
    this.paint(image, width, height);
    this.root.style.setProperty("--ratio", width / height);
    this.root.dataset.pictures = ++this.pictures;
    if (this.pictures === 1) this.say();
    this.wall_time = wall_time;
    this.grow(pts_us);
    stage.pts_us = this.painted_us = pts_us;
    stage.draw();
    this.model.emit("time");
  }

  // Of a recording that the browser cannot play: the picture of a moment, else why there is none.
  showStill(pts_s, why) {
    const { model, stage } = this;
    const pts_us = Math.round(pts_s * 1e6);
    const still = new Image();
    still.onload = () => {
      if (stage.pts_us !== pts_us || this.isAtEdge) return;
      this.paint(still, still.naturalWidth, still.naturalHeight);
      this.painted_us = pts_us;
      this.canvas.hidden = false;
      stage.showMessage(null);
    };
    still.onerror = () => stage.showMessage(this.isAtEdge ? null : why);
    stage.pts_us = pts_us;
    still.src = `/api/pictures/${model.data.media_id}/${pts_us}.jpg`;
    stage.draw();
    model.emit("time");
  }

  paint(image, width, height) {
    const { canvas } = this;
    const isOther = canvas.width !== width || canvas.height !== height;
    if (isOther) Object.assign(canvas, { width, height });
    canvas.getContext("2d").drawImage(image, 0, 0);
  }

  takeStatus(status) {
    this.status = status;
    this.root.dataset.feed = status.state || "none";
    this.say();
  }

  // Those that were there before the page are not told again.
  takeEvents(events) {
    const known = this.knownEvents;
    this.knownEvents = new Set([...(known || []), ...events.map(({ event_id }) => event_id)]);
    const fresh = known ? events.filter(({ event_id }) => !known.has(event_id)) : [];
    for (const event of fresh) this.tell(event);
    if (fresh.length) this.model.look();
  }

  tell(event) {
    const { data } = this.model;
    const text = eventInWords(event, event.run_id === data.run_id ? data.start_ms : null);
    if (!text) return;
    const line = element("div", { className: event.kind, textContent: text });
    line.style.borderLeftColor = this.model.colour(event.label);
    this.happened.append(line);
    while (this.happened.children.length > MOST_SHOWN) this.happened.children[0].remove();
    setTimeout(() => line.remove(), SHOWN_MS);
  }

  // They come when they were decided; the log has them some time later.
  takeSamples({ run_id, samples, is_logged }) {
    this.model.takeSamples(run_id, samples);
    this.stage.draw();
    if (is_logged) this.model.look();
  }

  // The session goes on: so do its timeline and what can be sought.
  grow(end_us) {
    const { model, stage, timeline } = this;
    if (!end_us || !model.data || end_us <= model.data.end_us) return;
    model.data.end_us = end_us;
    if (stage.data) stage.data.end_us = end_us;
    timeline.grow(end_us / 1e6);
  }

  say() {
    const { isAtEdge, isHeld, isOn, stage, status } = this;
    if (!isOn) return;
    const now_s = Date.now() / 1000;
    const isLive = isAtEdge && !isHeld;
    const behind_s = isLive && this.wall_time ? Math.max(0, now_s - this.wall_time) : null;
    this.badge.textContent = isLive ? badgeOf(status.state) : "Not live";
    this.facts.textContent = ageOf(behind_s);
    this.sayRest(factsOf(status));
    stage.showMessage(isAtEdge ? this.words(now_s) : null);
  }

  words(now_s) {
    const { connection } = this.model;
    if (connection.problem || this.status.state === undefined) return connection.problem;
    return messageOf(this.status, now_s) || (this.pictures ? "" : "Waiting for the picture…");
  }

  // Whether a time is so near the newest that it means the live edge.
  isEdge(pts_s) {
    return this.isOn && pts_s >= this.model.data.end_us / 1e6 - NEAR_EDGE_S;
  }
}
