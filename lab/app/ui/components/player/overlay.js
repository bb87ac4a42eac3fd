// What is drawn over the video: boxes or scores of the current sample, and zones.
import { CAPTION_PX, placeCaptions } from "./captions.js";
import { NEAR_US } from "./clip_time.js";
import { contextOf, drawLine } from "./elements.js";
import { shortened } from "./formatting.js";

const LONGEST_GAP_US = 3e6; // after that, the last sample says nothing about the picture
const MOST_SCORES = 8;
const CROSS_PX = 9;
const LABEL_FONT = "600 12px sans-serif";
const FLAG_FONT = "600 13px sans-serif";
const INCLUDED = "#22c55e";
const EXCLUDED = "#ef4444";
const FILTERED_OUT = "#999";
const ZONE_DASHES = { [INCLUDED]: [], [EXCLUDED]: [8, 5] }; // not by colour alone
const DASHES = { over: [], between: [6, 3], under: [2, 3] };

export class Overlay {
  constructor(model, stage) {
    Object.assign(this, { model, stage, canvas: stage.canvas });
  }

  draw() {
    const { canvas, model, stage } = this;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width) return;
    const g = contextOf(canvas, width, height);
    const isShown = model.log && this.hasPicture();
    if (!isShown || model.isBlind) canvas.dataset.boxes = 0;
    if (!isShown) return;
    this.drawZones(g, width, height);
    if (!stage.areBoxesOn || model.isBlind) return;
    const [pictureWidth, pictureHeight] = stage.data.size_px;
    this.drawSample(g, width / pictureWidth, height / pictureHeight);
  }

  // That of the clip, or of the live edge.
  hasPicture() {
    const { data, live } = this.stage;
    return Boolean(data && (data.src || live?.isAtEdge));
  }

  // Between samples the last one is shown, faint.
  drawSample(g, scaleX, scaleY) {
    const { log, windows } = this.model;
    const { pts_us } = this.stage;
    const sample = windows.sampleAt(pts_us);
    this.canvas.dataset.boxes = 0;
    if (!sample) return;
    this.drawFlags(g, sample);
    const age_us = pts_us - sample.pts_us;
    const next_us = (sample.next_us ?? Infinity) - sample.pts_us;
    const isExact = age_us < NEAR_US;
    if (!isExact && age_us >= Math.min(next_us, LONGEST_GAP_US)) return;
    const opacity = isExact ? 1 : 0.45;
    const found = sample.detections().filter(({ label }) => this.model.isOn(label));
    g.globalAlpha = opacity;
    this.canvas.dataset.boxes = log.whole_frame
      ? this.drawScores(g, found, opacity)
      : this.drawBoxes(g, found, scaleX, scaleY);
    g.globalAlpha = 1;
  }

  // The line that says how a feed is, where it lies over the picture; an empty list if it does not.
  feedLine() {
    const { line } = this.stage.live ?? {};
    if (!line || line.hidden) return [];
    const { left, top, width, height } = line.getBoundingClientRect();
    const corner = this.canvas.getBoundingClientRect();
    return [{ left: left - corner.left, y: top - corner.top, width, height }];
  }

  // Where rows begin at the left, below that line.
  get firstRow_px() {
    return Math.max(8, ...this.feedLine().map(({ y, height }) => y + height + 6));
  }

  drawFlags(g, { failed, gated }) {
    const top = this.firstRow_px;
    if (failed !== undefined) drawFlag(g, `failed sample: ${failed}`, "#b91c1c", top);
    if (gated !== undefined) drawFlag(g, `gated: ${gated}`, "#475569", top);
  }

  // The strongest on top, and captions that do not cover each other. How many were drawn.
  drawBoxes(g, found, scaleX, scaleY) {
    const drawn = found
      .map((detection) => this.boxOf(detection, scaleX, scaleY))
      .filter(({ level }) => level !== "under" || this.stage.areWeakBoxesOn)
      .sort((a, b) => b.confidence - a.confidence);
    for (const box of [...drawn].reverse()) drawBox(g, box);
    this.drawCaptions(g, drawn);
    return drawn.length;
  }

  // The box as it is drawn, in pixels of the page.
  boxOf(detection, scaleX, scaleY) {
    const { model } = this;
    const { label, confidence, box } = detection;
    const isCounted = model.passes(detection);
    const [x1, y1, x2, y2] = box;
    return {
      x: x1 * scaleX,
      top: y1 * scaleY,
      right: x2 * scaleX,
      bottom: y2 * scaleY,
      confidence,
      level: isCounted ? levelOf(confidence, model.ruleOf(label)) : "under",
      line: isCounted ? model.colour(label) : FILTERED_OUT,
      colour: isCounted ? model.colour(label) : "#777",
      caption: captionOf(detection),
    };
  }

  drawCaptions(g, boxes) {
    const { clientWidth, clientHeight } = this.canvas;
    g.font = LABEL_FONT;
    const wanted = boxes.map((box) => ({ ...box, width: g.measureText(box.caption).width + 8 }));
    placeCaptions(wanted, clientWidth, clientHeight, this.feedLine()).forEach((place, i) => {
      if (!place) return;
      g.fillStyle = boxes[i].colour;
      g.fillRect(place.left, place.y, place.width, CAPTION_PX);
      g.fillStyle = "#000";
      g.fillText(boxes[i].caption, place.left + 4, place.y + 12.5);
    });
  }

  // Scores of the whole picture: the strongest, as bars. How many were drawn.
  drawScores(g, found, opacity) {
    const rows = found.sort((a, b) => b.confidence - a.confidence).slice(0, MOST_SCORES);
    g.font = LABEL_FONT;
    const first = this.firstRow_px;
    rows.forEach(({ label, confidence }, i) => {
      const top = first + i * 20;
      const level = levelOf(confidence, this.model.ruleOf(label));
      g.globalAlpha = opacity;
      g.fillStyle = "rgba(0,0,0,.6)";
      g.fillRect(8, top, 200, 18);
      drawBar(g, 8, top + 14, 200 * confidence, this.model.colour(label), level);
      g.fillStyle = "#fff";
      g.globalAlpha = 1;
      g.fillText(`${label} ${confidence.toFixed(2)}`, 13, top + 12);
    });
    return rows.length;
  }

  drawZones(g, width, height) {
    const { include, exclude } = this.model.shownRule().box_filter;
    const toPage = (zone) => zone.map(([x, y]) => [x * width, y * height]);
    for (const zone of include) drawZone(g, toPage(zone), INCLUDED, true);
    for (const zone of exclude) drawZone(g, toPage(zone), EXCLUDED, true);
    const { drawing } = this.stage;
    if (!drawing) return;
    drawZone(g, toPage(drawing.points), drawing.kind === "include" ? INCLUDED : EXCLUDED, false);
    const [cross] = toPage([drawing.cross]);
    drawCross(g, cross);
  }
}

// Where a score lies: over the enter threshold, under the exit threshold, or between.
function levelOf(confidence, { debounce }) {
  if (confidence >= debounce.enter_threshold) return "over";
  return confidence >= debounce.exit_threshold ? "between" : "under";
}

function captionOf({ label, confidence, text }) {
  const read = text && text !== label ? ` “${shortened(text)}”` : "";
  return `${shortened(label)} ${confidence.toFixed(2)}${read}`;
}

function drawBox(g, { x, top, right, bottom, level, line }) {
  g.strokeStyle = line;
  g.lineWidth = level === "over" ? 2.5 : 1.5;
  g.setLineDash(DASHES[level]);
  g.strokeRect(x, top, right - x, bottom - top);
  g.setLineDash([]);
}

// Full over the threshold, else an outline.
function drawBar(g, x, top, width, colour, level) {
  g.fillStyle = g.strokeStyle = colour;
  g.lineWidth = 1;
  if (level === "over") g.fillRect(x, top, width, 4);
  else g.strokeRect(x + 0.5, top + 0.5, Math.max(0, width - 1), 3);
}

function drawFlag(g, text, colour, top) {
  g.fillStyle = colour;
  g.font = FLAG_FONT;
  g.fillRect(8, top, g.measureText(text).width + 16, 24);
  g.fillStyle = "#fff";
  g.fillText(text, 16, top + 17);
}

// Light on dark, so that it is seen on any picture.
function drawCross(g, [x, y]) {
  for (const [colour, width] of [
    ["#000", 4],
    ["#fff", 1.5],
  ]) {
    g.strokeStyle = colour;
    g.lineWidth = width;
    drawLine(g, x - CROSS_PX, y, x + CROSS_PX, y);
    drawLine(g, x, y - CROSS_PX, x, y + CROSS_PX);
  }
}

function drawZone(g, points, colour, isClosed) {
  g.beginPath();
  points.forEach(([x, y], i) => (i ? g.lineTo(x, y) : g.moveTo(x, y)));
  g.fillStyle = `${colour}26`;
  if (isClosed) {
    g.closePath();
    g.fill();
  }
  g.strokeStyle = colour;
  g.lineWidth = 2;
  g.setLineDash(ZONE_DASHES[colour]);
  g.stroke();
  g.setLineDash([]);
  g.fillStyle = colour;
  for (const [x, y] of points) g.fillRect(x - 3, y - 3, 6, 6);
}
