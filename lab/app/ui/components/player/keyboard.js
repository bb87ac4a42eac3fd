// Keys, and what they do.
const RANGE_KEYS = [
  "ArrowLeft",
  "ArrowRight",
  "ArrowUp",
  "ArrowDown",
  "Home",
  "End",
  "PageUp",
  "PageDown",
];

// Whether the field that has the focus wants the key for itself.
export function isForField(event) {
  const isField = (node) => node.matches?.("input, select, textarea");
  if (!event.composedPath().some(isField)) return false;
  return event.composedPath()[0].type !== "range" || RANGE_KEYS.includes(event.key);
}

// Do what a key stands for, letters in either case. Whether there was anything to do.
export function pressKey(event, acts) {
  const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  const isClick = event.key === " " && event.composedPath()[0].tagName === "BUTTON";
  if (!act || isClick) return false;
  event.preventDefault();
  event.stopPropagation();
  act();
  return true;
}

export class Keyboard {
  constructor({ stage, transport, marking }) {
    Object.assign(this, { stage, transport, marking });
  }

  press(event) {
    if (isForField(event) || event.metaKey || event.altKey) return;
    if (event.ctrlKey && event.key.toLowerCase() !== "z") return;
    if (event.key === "Escape" && this.marking.drop()) {
      event.preventDefault();
      event.stopPropagation();
    } else if (!pressKey(event, this.markingKeys(event))) {
      pressKey(event, this.playbackKeys(event));
    }
  }

  markingKeys({ shiftKey }) {
    const { marking } = this;
    const isAnswer = shiftKey && marking.question;
    return {
      m: () => marking.mark(),
      c: () => marking.watch(),
      v: () => marking.watchWhole(),
      h: () => marking.toggleBlind(),
      x: () => marking.erase(),
      z: () => marking.undo(),
      y: () => (isAnswer ? marking.answer(false) : marking.judge("accepted")),
      n: () => (isAnswer ? marking.answer(true) : marking.judge("rejected")),
    };
  }

  playbackKeys({ shiftKey }) {
    const { stage, transport } = this;
    const zoneKeys = { Enter: () => stage.endZone(true), Escape: () => stage.endZone(false) };
    return {
      " ": () => stage.toggle(),
      ArrowLeft: () => (shiftKey ? stage.stepSample(-1) : stage.step(-1)),
      ArrowRight: () => (shiftKey ? stage.stepSample(1) : stage.step(1)),
      ArrowUp: () => stage.jumpBy(1),
      ArrowDown: () => stage.jumpBy(-1),
      PageDown: () => stage.jumpBy(10),
      PageUp: () => stage.jumpBy(-10),
      "[": () => transport.jump(-1),
      "]": () => transport.jump(1),
      l: () => transport.toggleLoop(),
      b: () => transport.toggleBoxes(),
      w: () => transport.toggleWeakBoxes(),
      0: () => transport.zoomOut(),
      ...(stage.drawing ? zoneKeys : {}),
    };
  }
}
