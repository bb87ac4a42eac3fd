// Mouse, pen and fingers on the timeline's lanes and axis.
import { SCORE_PER_PX } from "./lanes.js";
import { setSetting } from "./rule_settings.js";

const MOVED_PX = 3; // less is a click
const REACH_PX = { touch: 9, mouse: 4 };
const FINE = 0.1; // with Shift a threshold moves so much slower
const WHEEL_PX = 800; // of a wheel that move the view by all that it shows

export class TimelinePointer {
  constructor(timeline, peek) {
    Object.assign(this, { timeline, peek, model: timeline.model, stage: timeline.stage });
    this.places = new Map(); // of the pointers that are down, by id
    this.drag = null; // { move(event), end(event) }
    for (const canvas of [timeline.canvas, timeline.axis]) this.listen(canvas);
  }

  listen(canvas) {
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.press(event, canvas));
    canvas.addEventListener("pointermove", (event) => this.move(event, canvas));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.release(event));
    }
    canvas.addEventListener("pointerleave", () => this.peek.hide());
    canvas.addEventListener("dblclick", () => this.timeline.showAll());
  }

  // A wheel alone scrolls the page or the lanes; a trackpad's pinch comes as a wheel with Ctrl.
  wheel(event) {
    const { timeline } = this;
    const { scale } = timeline;
    const { ctrlKey, metaKey, shiftKey, deltaX, deltaY } = event;
    const isSideways = shiftKey || Math.abs(deltaX) > Math.abs(deltaY);
    if (!scale.full || !(ctrlKey || metaKey || isSideways)) return;
    event.preventDefault();
    this.peek.hide();
    if (ctrlKey || metaKey) scale.zoom(Math.exp(clamp(deltaY, -60, 60) / 250), this.timeAt(event));
    else scale.pan((Math.abs(deltaX) > Math.abs(deltaY) ? deltaX : deltaY) / WHEEL_PX);
    timeline.viewMoved();
  }

  // ---- pressing, moving, letting go

  press(event, canvas) {
    if (event.button > 0 || !this.timeline.scale.full) return;
    canvas.setPointerCapture(event.pointerId);
    this.places.set(event.pointerId, event.clientX);
    this.peek.hide();
    if (this.places.size > 1) {
      this.letGo(event);
      this.drag = this.pinch();
    } else this.drag = this.dragFor(event, canvas);
  }

  move(event, canvas) {
    if (this.places.has(event.pointerId)) this.places.set(event.pointerId, event.clientX);
    if (this.drag) this.drag.move(event);
    else this.hover(event, canvas);
  }

  release(event) {
    this.places.delete(event.pointerId);
    this.letGo(event);
  }

  letGo(event) {
    const { drag } = this;
    this.drag = null;
    drag?.end(event);
  }

  hover(event, canvas) {
    const isAxis = canvas === this.timeline.axis;
    canvas.style.cursor = isAxis ? "ew-resize" : this.cursorAt(event);
    if (event.pointerType !== "touch" && this.timeline.scale.full) {
      this.peek.show(this.timeAt(event), event, this.timeline);
    }
  }

  cursorAt(event) {
    if (this.edgeAt(event)) return "ew-resize";
    return this.thresholdAt(event) ? "ns-resize" : "crosshair";
  }

  dragFor(event, canvas) {
    if (canvas === this.timeline.axis) return this.scrub(event);
    const edge = this.edgeAt(event);
    if (edge) return this.dragEdge(edge);
    const threshold = this.thresholdAt(event);
    const along = this.timeline.scale.isWhole ? null : this.pan(event);
    if (threshold) return this.dragThreshold(event, threshold, along);
    return along || this.scrub(event);
  }

  // ---- what dragging does

  scrub(event) {
    const seek = (at) => this.stage.seek(this.timeAt(at));
    seek(event);
    return { move: seek, end: () => {} };
  }

  // Move the view, and the lanes where not all of them are seen. A click goes there.
  pan(event) {
    const { timeline } = this;
    const lanes = timeline.canvas.parentElement;
    let last = { x: event.clientX, y: event.clientY };
    const isMoved = movedFrom(event);
    const move = (at) => {
      if (!isMoved(at)) return;
      timeline.scale.pan((last.x - at.clientX) / timeline.scale.width);
      lanes.scrollTop += last.y - at.clientY;
      last = { x: at.clientX, y: at.clientY };
      timeline.viewMoved();
    };
    const end = (at) => {
      if (at.type === "pointerup" && !isMoved(at)) this.stage.seek(this.timeAt(event));
    };
    return { move, end };
  }

  dragEdge(edge) {
    const { bands } = this.timeline;
    bands.startDrag(edge);
    // Another clip may have been opened meanwhile.
    const move = (at) => bands.drag && bands.moveDrag(this.timeAt(at));
    return { move, end: () => bands.drag && bands.endDrag() };
  }

  // Up and down moves the line; along it does what dragging does elsewhere, and a click goes there.
  dragThreshold(event, { label, name }, along) {
    const { lanes } = this.timeline;
    const { enter_threshold, exit_threshold, [name]: value } = this.model.ruleOf(label).debounce;
    const change = { label, name, value, isLinked: enter_threshold === exit_threshold };
    let last_y = event.clientY;
    let other = null;
    const move = (at) => {
      const up = event.clientY - at.clientY;
      if (!lanes.held && !other) {
        if (Math.abs(at.clientX - event.clientX) > Math.max(MOVED_PX, Math.abs(up))) {
          other = along || this.scrub(at);
        } else if (Math.abs(up) > MOVED_PX) lanes.held = { label, name, x: this.xOf(event) };
      }
      if (other) other.move(at);
      if (!lanes.held) return;
      change.value += (last_y - at.clientY) * SCORE_PER_PX * (at.shiftKey ? FINE : 1);
      last_y = at.clientY;
      this.setThreshold(change, at.shiftKey ? 3 : 2);
    };
    const end = (at) => {
      if (lanes.held) this.model.emit("released");
      else if (other) other.end(at);
      else if (at.type === "pointerup") this.stage.seek(this.timeAt(event));
      lanes.held = null;
      this.timeline.redraw();
    };
    return { move, end };
  }

  setThreshold(change, digits) {
    const { label, name, isLinked } = change;
    change.value = clamp(change.value, this.model.data.score_floor, 1);
    const value = clamp(Number(change.value.toFixed(digits)), this.model.data.score_floor, 1);
    this.model.editRuleOf(label, ({ debounce }) => setSetting(debounce, name, value, isLinked));
  }

  // Two fingers: what was under them stays under them.
  pinch() {
    const { timeline } = this;
    const { scale } = timeline;
    const ends = () => [...this.places.values()].map((x) => x - this.left);
    const times = ends().map((x) => scale.time(x, scale.width));
    const move = () => {
      const [a, b] = ends();
      if (b === undefined || Math.abs(a - b) < 1) return;
      const span = Math.abs((times[1] - times[0]) / (b - a)) * scale.width;
      scale.zoom(span / scale.span, scale.time(a, scale.width));
      scale.pan((times[0] - scale.time(a, scale.width)) / scale.span);
      timeline.viewMoved();
    };
    return { move, end: () => {} };
  }

  // ---- what is under the pointer

  get left() {
    return this.timeline.canvas.getBoundingClientRect().left;
  }

  xOf(event) {
    return event.clientX - this.left;
  }

  yOf(event) {
    return event.clientY - this.timeline.canvas.getBoundingClientRect().top;
  }

  timeAt(event) {
    const { width } = this.timeline.canvas.getBoundingClientRect();
    return this.timeline.scale.time(this.xOf(event), width);
  }

  // The edge of an annotation.
  edgeAt(event) {
    const labels = this.model.trackLabels();
    return this.timeline.bands.edgeAt(this.xOf(event), this.yOf(event), labels);
  }

  thresholdAt(event) {
    if (!this.model.log) return null;
    const reach_px = REACH_PX[event.pointerType] || REACH_PX.mouse;
    const labels = this.model.trackLabels();
    return this.timeline.lanes.thresholdAt(this.xOf(event), this.yOf(event), labels, reach_px);
  }
}

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

// Whether a pointer has left the place of an event, from then on.
function movedFrom({ clientX, clientY }) {
  let isMoved = false;
  return (at) => {
    isMoved ||= Math.hypot(at.clientX - clientX, at.clientY - clientY) > MOVED_PX;
    return isMoved;
  };
}
