// Corners of zones, dragged in the picture.
import { cornerAt } from "./zones.js";

const REACH_PX = { touch: 22, mouse: 9 };
const KINDS = ["include", "exclude"];

export class ZoneHandles {
  constructor(model, stage) {
    Object.assign(this, { model, stage, canvas: stage.canvas });
    this.held = null; // { kind, zone, corner }
    this.wasDragged = false; // then the click that follows is none
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, () => this.release());
    }
    for (const name of ["opened", "rule", "scope", "zone"]) {
      model.addEventListener(name, () => this.allowTouch());
    }
  }

  // A finger scrolls the page unless there is something to drag.
  allowTouch() {
    const isUsed = this.stage.drawing || this.zones().length > 0;
    this.canvas.style.touchAction = isUsed ? "none" : "";
  }

  zones() {
    if (!this.model.rule) return [];
    const { box_filter } = this.model.shownRule();
    return KINDS.flatMap((kind) =>
      box_filter[kind].map((points, zone) => {
        return { kind, zone, points };
      }),
    );
  }

  // The corner under the pointer; null if none is near.
  cornerAt(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const corners = this.zones().flatMap(({ kind, zone, points }) =>
      points.map(([px, py], corner) => {
        return { kind, zone, corner, distance: Math.hypot(px * width - x, py * height - y) };
      }),
    );
    const [nearest] = corners.sort((a, b) => a.distance - b.distance);
    const reach_px = REACH_PX[event.pointerType] || REACH_PX.mouse;
    return nearest && nearest.distance <= reach_px ? nearest : null;
  }

  press(event) {
    this.wasDragged = false;
    if (this.stage.drawing || event.button > 0) return;
    this.held = this.cornerAt(event);
    if (this.held) this.canvas.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.held) {
      this.canvas.style.cursor = !this.stage.drawing && this.cornerAt(event) ? "move" : "";
      return;
    }
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const place = cornerAt(event.clientX - left, event.clientY - top, width, height);
    const { kind, zone, corner } = this.held;
    this.wasDragged = true;
    this.model.edit(({ box_filter }) => {
      box_filter[kind][zone][corner] = place;
    });
  }

  release() {
    if (this.held && this.wasDragged) this.model.emit("released");
    this.held = null;
  }
}
