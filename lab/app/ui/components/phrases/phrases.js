// Phrases of one run: one video, drawn once for each, so that all panels are on the same frame.
import { whyNotPlayed } from "../player/clip_problem.js";
import { frameDuration, nextTime, sampleAt } from "../player/clip_time.js";
import { button, element, onNextFrame } from "../player/elements.js";
import { mediaTime } from "../player/formatting.js";
import { pressKey } from "../player/keyboard.js";
import { Requests } from "../player/requests.js";
import { speedMenu } from "../player/transport.js";
import { ClipPlayer } from "./clip_player.js";
import { FAILED, PANEL_COLOURS, PRESENT, UNSEEN } from "./colours.js";
import { Panel } from "./panel.js";
import { fillMoments, fillTable } from "./table.js";
import { Tracks } from "./tracks.js";

const PHRASE_SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const FAR_ENOUGH_S = 0.01;
const UNPLAYABLE = "This browser cannot play the clip; scores and sightings are complete.";
const LEGEND =
  "Lines: enter threshold, dashed exit. Boxes: solid over enter, dashed between, " +
  "dotted under exit, grey excluded by the rule.";

export class Phrases {
  constructor(root) {
    this.root = root;
    this.requests = new Requests();
    this.panels = [];
    this.log = null;
    this.note = root.querySelector(".note");
    this.table = root.querySelector("table");
    this.source = root.querySelector(".source");
    this.moments = root.querySelector(".moments");
    this.redraw = onNextFrame(() => this.draw());
    this.player = new ClipPlayer(root.querySelector("video"), {
      draw: () => this.draw(),
      fail: async () => {
        this.redraw();
        const why = await whyNotPlayed(this.requests, this.player.clip.src, UNPLAYABLE);
        if (why) this.say(why);
      },
    });
    this.tracks = new Tracks(this, root.querySelector(".tracks"));
    this.buildBar(root.querySelector(".bar"));
    this.buildLegend(root.querySelector(".legend"));
    this.listen();
  }

  listen() {
    const { root } = this;
    root.addEventListener("keydown", (event) => this.press(event));
    root.addEventListener("transitionend", (event) => {
      if (event.target === root) this.redraw(); // another theme
    });
    new ResizeObserver(this.redraw).observe(root);
    addEventListener("resize", this.redraw);
  }

  say(text) {
    this.note.textContent = text;
  }

  // ---- data from Python

  async load(data) {
    const before = this.data;
    this.data = data;
    delete this.root.dataset.ready;
    const isSameClip = before?.media_id === data.media_id;
    if (!isSameClip || before.src !== data.src) {
      this.requests.cancel("clip");
      this.say(data.src ? "" : data.src_wait);
      this.player.load(data, isSameClip ? this.pts_us : data.first_pts_us);
    }
    this.setPanels(data.panels);
    fillTable(this);
    fillMoments(this);
    const address = `/api/runs/${data.run_id}/log?v=${data.log_v}`;
    if (address !== this.address && !(await this.loadLog(address))) return;
    for (const panel of this.panels) panel.setLog(this.log);
    this.root.dataset.ready = "yes";
    this.draw();
  }

  // Whether the log that is to be shown has come; until then nothing of another is.
  async loadLog(address) {
    this.log = this.address = null;
    for (const panel of this.panels) panel.clear();
    this.draw();
    const answer = await this.requests.send("log", address);
    if (!answer) return false;
    if (!answer.ok) {
      this.say(answer.body);
      return false;
    }
    this.address = address;
    this.log = answer.body;
    return true;
  }

  // Panels of the same phrases stay.
  setPanels(specs) {
    const box = this.root.querySelector(".panels");
    const phrases = specs.map((spec) => spec.phrase).join("\n");
    if (phrases !== this.phrases) {
      this.panels = specs.map((spec, i) => new Panel(spec.phrase, PANEL_COLOURS[i]));
      for (const { canvas } of this.panels) canvas.onclick = () => this.act(() => this.toggle());
      box.replaceChildren(...this.panels.map((panel) => panel.figure));
      box.classList.toggle("three", ![2, 4].includes(this.panels.length));
      this.phrases = phrases;
    }
    this.panels.forEach((panel, i) => {
      panel.spec = specs[i];
    });
  }

  // ---- elements

  // Do something, and let the keys be for the component again.
  act(what) {
    what();
    this.root.focus({ preventScroll: true });
  }

  buildBar(bar) {
    const add = (text, title, what) => {
      const made = button(text, title, () => this.act(what));
      bar.append(made);
      return made;
    };
    const { video } = this.player;
    const play = add("▶", "Play or pause (space)", () => this.toggle());
    add("◀|", "Frame back (left arrow)", () => this.step(-1));
    add("|▶", "Frame forward (right arrow)", () => this.step(1));
    add("◀◀|", "Sample back (shift and left arrow)", () => this.stepSample(-1));
    add("|▶▶", "Sample forward (shift and right arrow)", () => this.stepSample(1));
    add("[", "Previous disagreement ([)", () => this.jump(-1));
    add("]", "Next disagreement (])", () => this.jump(1));
    for (const name of ["play", "pause"]) {
      video.addEventListener(name, () => {
        play.textContent = video.paused ? "▶" : "❚❚";
      });
    }
    this.time = element("span", { className: "time" });
    const speed = speedMenu(PHRASE_SPEEDS);
    speed.onchange = () => {
      video.defaultPlaybackRate = video.playbackRate = Number(speed.value);
    };
    bar.append(this.time, speed);
  }

  buildLegend(legend) {
    const swatch = (colour, text) => {
      const dot = element("i", { ariaHidden: "true" });
      dot.style.background = colour;
      return element("span", {}, dot, text);
    };
    legend.append(
      swatch("#0ea5e966", "sighting"),
      swatch(PRESENT, "annotated; in a panel: a sighting now"),
      swatch(FAILED, "failed sample"),
      swatch(UNSEEN, "not analysed"),
      element("span", { textContent: LEGEND }),
    );
  }

  // ---- time

  get pts_us() {
    return this.player.pts_us;
  }

  seek(pts_s) {
    this.player.seek(pts_s);
  }

  toggle() {
    this.player.toggle();
  }

  step(frames) {
    this.jumpBy(frames * frameDuration(this.data));
  }

  jumpBy(duration_s) {
    this.player.video.pause();
    this.seek(this.player.next_s + duration_s);
  }

  stepSample(count) {
    this.player.video.pause();
    if (!this.log) return;
    const { pts_us } = this.log;
    const next_us = pts_us[sampleAt(pts_us, this.player.next_s * 1e6) + count];
    if (next_us !== undefined) this.seek(next_us / 1e6);
  }

  // To the next moment of disagreement in a direction.
  jump(direction) {
    const moments = this.data.moments.map((moment) => moment.pts_s);
    const next_s = nextTime(moments, this.player.next_s, direction, FAR_ENOUGH_S);
    if (next_s === undefined) return;
    this.player.video.pause();
    this.seek(next_s);
  }

  press(event) {
    if (event.metaKey || event.altKey || event.ctrlKey || !this.data) return;
    if (event.composedPath()[0].tagName === "SELECT") return;
    pressKey(event, {
      " ": () => this.toggle(),
      ArrowLeft: () => (event.shiftKey ? this.stepSample(-1) : this.step(-1)),
      ArrowRight: () => (event.shiftKey ? this.stepSample(1) : this.step(1)),
      ArrowUp: () => this.jumpBy(1),
      ArrowDown: () => this.jumpBy(-1),
      PageUp: () => this.jumpBy(10),
      PageDown: () => this.jumpBy(-10),
      "[": () => this.jump(-1),
      "]": () => this.jump(1),
    });
  }

  // ---- drawing

  draw() {
    const { data, log, pts_us, player, root } = this;
    if (!data) return;
    this.time.textContent = `${mediaTime(pts_us / 1e6)} / ${mediaTime(data.end_us / 1e6)}`;
    const share = root.clientWidth < 560 ? 0.3 : 0.42;
    const view = {
      log,
      position: log ? sampleAt(log.pts_us, pts_us) : -1,
      pts_us,
      size_px: data.size_px,
      highest_px: Math.max(160, innerHeight * share),
      video: player.hasPicture ? player.video : null,
    };
    for (const panel of this.panels) panel.draw(view);
    this.tracks.draw();
    root.dataset.pts = (pts_us / 1e6).toFixed(3);
  }
}

export default function (component) {
  const { data, parentElement } = component;
  parentElement.phrases ||= new Phrases(parentElement.querySelector(".phrases"));
  const { phrases } = parentElement;
  const shown = JSON.stringify(data);
  if (shown !== phrases.shown) phrases.load(data);
  phrases.shown = shown;
}
