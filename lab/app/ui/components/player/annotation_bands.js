// Annotations on the timeline: a band at the foot of each lane; its edges can be dragged.
import { drawLine } from "./elements.js";
import { LANE_PX } from "./lanes.js";
import { between, withEdge } from "./spans.js";

const EDGE_REACH_PX = 6;
const BAND_REACH_PX = 11; // how far from the foot of a lane an edge can be taken
const ANNOTATED = "#16a34a";
const WATCHED = "#64748b";
const DASH_PX = 5; // of a stretch that was watched for the queue
const REJECTED = "#ef4444";

export class AnnotationBands {
  constructor(marking, timeline) {
    Object.assign(this, { marking, timeline });
    this.annotations = marking.annotations;
    this.drag = null; // { edge, before, record }
    timeline.bands = this;
    marking.addEventListener("changed", timeline.redraw);
    marking.model.addEventListener("opened", () => {
      this.drag = null;
    });
  }

  x(time_us) {
    return this.timeline.scale.x(time_us / 1e6);
  }

  // ---- drawing

  drawTrack(g, label, top) {
    const foot = top + LANE_PX - 4;
    for (const record of this.annotations.find({ label })) this.drawRecord(g, record, top, foot);
    const { pending, stage } = this.marking;
    if (pending?.label === label)
      this.drawPending(g, between(pending.start_us, stage.pts_us), foot);
    g.globalAlpha = 1;
  }

  drawRecord(g, record, top, foot) {
    const left = this.x(record.start_us);
    const right = Math.max(left + 2, this.x(record.end_us));
    if (record.kind === "coverage") {
      this.drawWatched(g, record, [left, right], foot);
    } else if (record.kind === "annotation") this.drawBand(g, record, [left, right], foot);
    else if (record.verdict === "rejected") drawCross(g, left, right, top);
  }

  // Told apart by their shapes: a line, dashed for the queue.
  drawWatched(g, { origin }, [left, right], foot) {
    g.globalAlpha = 0.8;
    g.fillStyle = WATCHED;
    const dash = origin === "queue" ? DASH_PX : right - left;
    for (let x = left; x < right; x += 2 * dash) g.fillRect(x, foot, Math.min(dash, right - x), 3);
  }

  // A band; an accepted sighting is one with a gap along its middle.
  drawBand(g, { origin }, [left, right], foot) {
    g.globalAlpha = 0.9;
    g.fillStyle = ANNOTATED;
    const lines = origin === "accepted" ? [[6, 2], [2, 2]] : [[6, 6]]; // prettier-ignore
    for (const [up, height] of lines) g.fillRect(left, foot - up, right - left, height);
    if (right - left <= EDGE_REACH_PX) return;
    g.fillStyle = this.timeline.ink;
    for (const edge of [left, right - 1.5]) g.fillRect(edge, foot - 8, 1.5, 10);
  }

  drawPending(g, { start_us, end_us }, foot) {
    g.globalAlpha = 0.6;
    g.fillStyle = ANNOTATED;
    g.fillRect(this.x(start_us), foot - 6, this.x(end_us) - this.x(start_us) + 2, 6);
  }

  // ---- dragging

  // The edge under a point of the timeline; labels: those of its tracks.
  edgeAt(x, y, labels) {
    const lane = Math.floor(y / LANE_PX);
    const label = labels[lane];
    if (!label || y - lane * LANE_PX < LANE_PX - BAND_REACH_PX) return null;
    const mine = this.annotations.findMine({ kind: "annotation", label });
    const edges = mine.flatMap((record) =>
      ["start_us", "end_us"].map((edge) => {
        return { id: record.id, edge, distance: Math.abs(this.x(record[edge]) - x) };
      }),
    );
    const near = edges.filter(({ distance }) => distance <= EDGE_REACH_PX);
    return near.sort((a, b) => a.distance - b.distance)[0] || null;
  }

  startDrag({ id, edge }) {
    const [before] = this.annotations.find({ id });
    this.drag = { edge, before, record: before };
  }

  moveDrag(pts_s) {
    const { stage, model } = this.marking;
    const { edge, record } = this.drag;
    this.drag.record = withEdge(record, edge, pts_s * 1e6, model.data);
    this.replace(this.drag.record);
    stage.seek(this.drag.record[edge] / 1e6);
    this.timeline.redraw();
  }

  endDrag() {
    const { record, before } = this.drag;
    this.drag = null;
    this.replace(before); // so that it can be undone
    if (record.start_us === before.start_us && record.end_us === before.end_us) return;
    // Edges that a person has set are the person's own.
    const origin = record.origin === "accepted" ? "independent" : record.origin;
    this.annotations.change([{ ...record, origin }], []);
  }

  replace(record) {
    const { annotations } = this;
    annotations.records = annotations.records.map((r) => (r.id === record.id ? record : r));
  }
}

function drawCross(g, left, right, top) {
  g.globalAlpha = 0.9;
  g.strokeStyle = REJECTED;
  g.lineWidth = 2;
  drawLine(g, left, top + 4, right, top + 12);
  drawLine(g, right, top + 4, left, top + 12);
}
