// The stretch of a sighting, played over and over with its boxes. The clip of the next one is
// loaded beside it, so that it is there when it is wanted.
import { ClipPlayer } from "../phrases/clip_player.js";
import { sampleAt } from "../player/clip_time.js";
import { contextOf, element, onNextFrame } from "../player/elements.js";

const AROUND_US = 500_000;
const FAR_US = 1_500_000; // a sample says nothing of a frame so long after it
const COLOUR = "#0ea5e9";

export class Screen {
  constructor(say) {
    this.say = say;
    this.poster = element("img", { className: "poster", alt: "" });
    this.poster.onerror = () => this.poster.removeAttribute("src");
    this.canvas = element("canvas");
    this.redraw = onNextFrame(() => this.draw());
    this.players = [this.player(), this.player()];
    const videos = this.players.map(({ video }) => video);
    this.box = element("div", { className: "screen" }, this.poster, ...videos, this.canvas);
    this.box.onclick = () => this.toggle();
    new ResizeObserver(this.redraw).observe(this.box);
  }

  player() {
    const video = element("video", { playsInline: true, muted: true, preload: "auto" });
    video.setAttribute("aria-hidden", "true");
    const made = new ClipPlayer(video, {
      draw: () => {
        if (made === this.active) this.frame();
      },
      fail: () => {
        if (made === this.active) this.say("This browser cannot play the clip.");
      },
    });
    video.addEventListener("ended", () => this.again());
    return made;
  }

  get active() {
    return this.players[0];
  }

  // Before its stretch is known: the picture alone.
  wait(row) {
    this.row = row;
    this.stretch = null;
    this.active.video.pause();
    this.box.classList.remove("playing");
    if (row.picture) this.poster.src = row.picture;
    else this.poster.removeAttribute("src");
    this.redraw();
  }

  show(stretch) {
    const { onset_us } = this.row;
    this.stretch = stretch;
    this.times = stretch.samples.map(([pts_us]) => pts_us);
    const [width, height] = stretch.size_px;
    if (width) this.box.style.aspectRatio = `${width} / ${height}`;
    if (!stretch.src) return;
    const from_us = Math.max(stretch.first_pts_us, onset_us - AROUND_US);
    if (this.holds(1, stretch) && !this.holds(0, stretch)) this.players.reverse();
    if (this.holds(0, stretch)) this.active.seek(from_us / 1e6);
    else this.active.load(stretch, from_us);
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
  }

  // Have the clip of a later sighting ready.
  prepare(stretch, row) {
    if (!stretch.src || this.holds(0, stretch) || this.holds(1, stretch)) return;
    this.players[1].load(stretch, Math.max(stretch.first_pts_us, row.onset_us - AROUND_US));
  }

  holds(i, { media_id, src }) {
    const { clip, isBroken } = this.players[i];
    return clip?.media_id === media_id && clip.src === src && !isBroken;
  }

  play() {
    this.active.video.play().catch(() => {});
  }

  toggle() {
    if (this.stretch) this.active.toggle();
  }

  again() {
    if (!this.stretch) return;
    this.active.seek(Math.max(this.stretch.first_pts_us, this.row.onset_us - AROUND_US) / 1e6);
    this.play();
  }

  stop() {
    for (const { video } of this.players) video.pause();
  }

  // Another frame is shown.
  frame() {
    const { active, stretch } = this;
    if (!stretch || active.clip?.media_id !== stretch.media_id) return;
    const { onset_us, offset_us } = this.row;
    const isWithin = active.pts_us >= onset_us - 2 * AROUND_US && active.pts_us <= offset_us + 2e6;
    if (active.pts_us > offset_us + AROUND_US && !active.video.paused) this.again();
    if (isWithin && active.hasPicture) {
      this.players.forEach(({ video }, i) => video.classList.toggle("shown", i === 0));
      this.box.classList.add("playing");
    }
    this.redraw();
  }

  draw() {
    const { box, canvas, stretch } = this;
    if (!box.clientWidth) return;
    const g = contextOf(canvas, box.clientWidth, box.clientHeight);
    canvas.dataset.boxes = 0;
    if (!stretch?.samples.length) return;
    const isPlaying = box.classList.contains("playing");
    const at_us = isPlaying ? this.active.pts_us : this.row.peak_us;
    const position = sampleAt(this.times, at_us);
    if (position < 0 || at_us - this.times[position] > FAR_US) return;
    const [width, height] = stretch.size_px;
    const scale = Math.min(box.clientWidth / width, box.clientHeight / height);
    const left = (box.clientWidth - width * scale) / 2;
    const top = (box.clientHeight - height * scale) / 2;
    const boxes = stretch.samples[position][1];
    for (const one of boxes) drawOne(g, one, scale, left, top);
    canvas.dataset.boxes = boxes.length;
  }
}

function drawOne(g, [x1, y1, x2, y2, score], scale, left, top) {
  const [x, y] = [left + x1 * scale, top + y1 * scale];
  g.strokeStyle = g.fillStyle = COLOUR;
  g.lineWidth = 2.5;
  g.strokeRect(x, y, (x2 - x1) * scale, (y2 - y1) * scale);
  g.font = "600 12px sans-serif";
  const text = score.toFixed(2);
  const above = Math.max(0, y - 16);
  g.fillRect(x, above, g.measureText(text).width + 8, 16);
  g.fillStyle = "#000";
  g.fillText(text, x + 4, above + 12);
}
