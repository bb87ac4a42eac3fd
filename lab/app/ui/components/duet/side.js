// One side: the picture with the boxes of a label, and whether a sighting is there.
import { isWithin, NEAR_US, sampleAt } from "../player/clip_time.js";
import { contextOf } from "../player/elements.js";

export const FOUND = "#0ea5e9";
const IN_SIGHTING = "#22c55e";

export class Side {
  constructor(caption, canvas) {
    Object.assign(this, { caption, canvas, spec: null, log: null, boxes: null });
  }

  // spec: the side's data from Python. Nothing of the previous run is kept.
  setSpec(spec) {
    Object.assign(this, { spec, log: null, boxes: null });
    this.caption.textContent = spec.name;
  }

  setLog(log) {
    this.log = log;
    this.boxes = boxesOf(log, this.spec.label);
  }

  // view: { pts_s, size_px, video or null }.
  draw({ pts_s, size_px, video }) {
    const { canvas, log, spec } = this;
    const width = canvas.clientWidth;
    if (!width) return;
    const scale = width / size_px[0];
    const height = Math.round(size_px[1] * scale);
    const g = contextOf(canvas, width, height);
    g.fillStyle = "#000";
    g.fillRect(0, 0, width, height);
    if (video) g.drawImage(video, 0, 0, width, height);
    canvas.dataset.boxes = 0;
    const position = log ? sampleAt(log.pts_us, pts_s * 1e6) : -1;
    if (position < 0) return;
    g.globalAlpha = pts_s * 1e6 - log.pts_us[position] < NEAR_US ? 1 : 0.5;
    this.drawBoxes(g, this.boxes.get(position) || [], scale);
    g.globalAlpha = 1;
    if (!spec.sightings.some((sighting) => isWithin(sighting, pts_s, NEAR_US / 1e6))) return;
    g.strokeStyle = IN_SIGHTING;
    g.lineWidth = 4;
    g.strokeRect(2, 2, width - 4, height - 4);
  }

  drawBoxes(g, boxes, scale) {
    const { enter_threshold, exit_threshold } = this.spec;
    const shown = boxes.filter((box) => box.confidence >= exit_threshold);
    for (const box of shown) drawBox(g, box, box.confidence >= enter_threshold, scale);
    this.canvas.dataset.boxes = shown.length;
  }
}

// Boxes of a label by the position of their sample.
function boxesOf(log, label) {
  const wanted = log.labels.indexOf(label);
  const boxes = new Map();
  log.sample.forEach((position, i) => {
    if (log.label[i] !== wanted) return;
    const box = { xyxy: log.box.slice(4 * i, 4 * i + 4), confidence: log.confidence[i] };
    boxes.set(position, [...(boxes.get(position) || []), box]);
  });
  return boxes;
}

function drawBox(g, { xyxy, confidence }, isOver, scale) {
  const [x1, y1, x2, y2] = xyxy.map((value) => value * scale);
  g.strokeStyle = g.fillStyle = FOUND;
  g.lineWidth = isOver ? 2.5 : 1.5;
  g.setLineDash(isOver ? [] : [6, 3]);
  g.strokeRect(x1, y1, x2 - x1, y2 - y1);
  g.setLineDash([]);
  g.font = "600 12px sans-serif";
  g.fillText(confidence.toFixed(2), x1 + 3, Math.max(12, y1 - 4));
}
