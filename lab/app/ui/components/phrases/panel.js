// One phrase: the picture with its boxes, its score and whether it is present.
import { isWithin, NEAR_US } from "../player/clip_time.js";
import { contextOf, element } from "../player/elements.js";
import { PRESENT } from "./colours.js";

const LEFT_OUT = "#999"; // by the rule's filter

export class Panel {
  constructor(phrase, colour) {
    this.colour = colour;
    this.canvas = element("canvas", { role: "img" });
    this.score = element("span", { className: "score" });
    this.state = element("span", { className: "state" });
    const dot = element("i", { ariaHidden: "true" });
    dot.style.background = colour;
    const name = element("span", { className: "name", textContent: phrase, title: phrase });
    const caption = element("figcaption", {}, dot, name, this.state, this.score);
    this.figure = element("figure", {}, caption, this.canvas);
  }

  // Nothing of the run before is left.
  clear() {
    this.boxes = this.curve = null;
    this.score.textContent = this.state.textContent = "";
  }

  setLog(log) {
    const { phrase, left_out } = this.spec;
    this.boxes = boxesOfPhrase(log, phrase, new Set(left_out));
    this.unseen = [...Object.keys(log.gated), ...(log.missing[phrase] || [])].map(Number);
    this.curve = new Float32Array(log.pts_us.length);
    for (const [position, boxes] of this.boxes) {
      const counted = boxes.filter((box) => box.isCounted).map((box) => box.confidence);
      this.curve[position] = Math.max(0, ...counted);
    }
    for (const i of [...this.unseen, ...Object.keys(log.failed)]) this.curve[i] = NaN;
    this.canvas.setAttribute("aria-label", `Picture with the boxes of ${phrase}`);
  }

  // view: { log, position of the sample, pts_us, size_px, highest_px, video or null }.
  draw(view) {
    const { canvas } = this;
    const { log, position, pts_us, size_px, highest_px, video } = view;
    const width = canvas.clientWidth;
    if (!width) return;
    const frame = fit(size_px, width, highest_px);
    canvas.style.height = `${frame.canvasHeight}px`;
    const g = contextOf(canvas, width, frame.canvasHeight);
    g.fillStyle = "#000";
    g.fillRect(0, 0, width, frame.canvasHeight);
    if (video) g.drawImage(video, frame.left, frame.top, frame.width, frame.height);
    const picture = video ? "yes" : "no";
    const pts = (pts_us / 1e6).toFixed(3);
    Object.assign(canvas.dataset, { picture, pts, sample: position, boxes: 0, sighting: "no" });
    if (!log || !this.curve) return;
    if (position >= 0 && !log.whole_frame) {
      g.globalAlpha = pts_us - log.pts_us[position] < NEAR_US ? 1 : 0.5; // the last one, faint
      this.drawBoxes(g, this.boxes.get(position) || [], frame, width);
      g.globalAlpha = 1;
    }
    this.drawPresence(g, pts_us, width, frame.canvasHeight);
    this.showScore(log, position);
  }

  drawPresence(g, pts_us, width, height) {
    const isPresent = this.spec.sightings.some(([onset_s, offset_s]) =>
      isWithin({ onset_s, offset_s }, pts_us / 1e6, NEAR_US / 1e6),
    );
    if (!isPresent) return;
    g.strokeStyle = PRESENT;
    g.lineWidth = 5;
    g.strokeRect(2.5, 2.5, width - 5, height - 5);
    this.canvas.dataset.sighting = "yes";
  }

  // Solid over the enter threshold, dashed between, dotted under the exit threshold.
  drawBoxes(g, boxes, frame, width) {
    const { enter_threshold: enter, exit_threshold: exit } = this.spec;
    g.font = "600 12px sans-serif";
    for (const { xyxy, confidence, isCounted } of boxes) {
      const [x1, y1, x2, y2] = xyxy.map((value) => value * frame.scale);
      const isOver = isCounted && confidence >= enter;
      const isBetween = isCounted && confidence >= exit;
      const [x, y] = [frame.left + x1, frame.top + y1];
      g.strokeStyle = g.fillStyle = isCounted ? this.colour : LEFT_OUT;
      g.lineWidth = isOver ? 2.5 : 1.5;
      g.setLineDash(isOver ? [] : isBetween ? [7, 4] : [2, 3]);
      g.strokeRect(x, y, x2 - x1, y2 - y1);
      drawCaption(g, confidence.toFixed(2), x, y, width);
    }
    g.setLineDash([]);
    this.canvas.dataset.boxes = boxes.length;
  }

  showScore(log, position) {
    const score = position < 0 ? NaN : this.curve[position];
    const { enter_threshold: enter, exit_threshold: exit } = this.spec;
    // Curves hold less exact numbers than rules.
    const isOver = score >= enter - 1e-6;
    const isBetween = score >= exit - 1e-6;
    this.score.textContent = Number.isNaN(score) ? "–" : score.toFixed(2);
    this.score.className = `score${isOver ? "" : " under"}`;
    let state = `under ${exit.toFixed(2)}`;
    if (isBetween) state = "between";
    if (isOver) state = `over ${enter.toFixed(2)}`;
    if (Number.isNaN(score)) state = whyUnseen(log, position);
    this.state.textContent = state;
    this.state.title = log.failed[position] || log.gated[position] || "";
  }
}

function whyUnseen(log, position) {
  if (position < 0) return "before the first sample";
  return position in log.failed ? "failed sample" : "not analysed";
}

// Where the whole picture lies on a canvas of that width, at most so high.
function fit([pictureWidth, pictureHeight], width, highest_px) {
  const canvasHeight = Math.round(Math.min((width * pictureHeight) / pictureWidth, highest_px));
  const scale = Math.min(width / pictureWidth, canvasHeight / pictureHeight);
  const size = { width: pictureWidth * scale, height: pictureHeight * scale };
  const left = (width - size.width) / 2;
  const top = (canvasHeight - size.height) / 2;
  return { canvasHeight, scale, left, top, ...size };
}

// A phrase's boxes by the position of their sample. leftOut: positions in the log of boxes that the
// rule's filter drops.
function boxesOfPhrase(log, phrase, leftOut) {
  const wanted = log.labels.indexOf(phrase);
  const boxes = new Map();
  log.sample.forEach((position, i) => {
    if (log.label[i] !== wanted) return;
    const xyxy = log.box.slice(4 * i, 4 * i + 4);
    const box = { xyxy, confidence: log.confidence[i], isCounted: !leftOut.has(i) };
    boxes.set(position, [...(boxes.get(position) || []), box]);
  });
  return boxes;
}

function drawCaption(g, text, x, y, width) {
  const wide = g.measureText(text).width + 6;
  const left = Math.max(0, Math.min(x, width - wide));
  const top = Math.max(0, y - 16);
  g.fillRect(left, top, wide, 16);
  g.fillStyle = "#000";
  g.fillText(text, left + 3, top + 12);
}
