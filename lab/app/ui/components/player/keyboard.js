// What a key that is pressed does.
import { rowOf } from "./keys.js";

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

// Whether the lanes have the focus and more of them than are in sight: then up and down scroll.
function isForLanes(event) {
  const [lanes] = event.composedPath();
  const isScroll = ["ArrowUp", "ArrowDown"].includes(event.key);
  return isScroll && lanes.matches?.(".lanes") && lanes.scrollHeight > lanes.clientHeight;
}

// Letters in either case.
const nameOf = (event) => (event.key.length === 1 ? event.key.toLowerCase() : event.key);

// Do what a key stands for. Whether there was anything to do.
export function pressKey(event, acts) {
  const act = acts[nameOf(event)];
  const isClick = event.key === " " && event.composedPath()[0].tagName === "BUTTON";
  if (!act || isClick) return false;
  event.preventDefault();
  event.stopPropagation();
  act();
  return true;
}

// Names of a key press in the table, the one that says most first: Shift matters only where the
// table says so, and Ctrl (on a Mac, Command) always.
function namesOf(event) {
  const ctrl = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  const name = nameOf(event);
  return event.shiftKey ? [`${ctrl}Shift+${name}`, `${ctrl}${name}`] : [`${ctrl}${name}`];
}

export class Keyboard {
  constructor(player) {
    this.player = player;
  }

  press(event) {
    if (isForField(event) || isForLanes(event) || event.altKey) return;
    const found = rowOf(namesOf(event), this.player);
    if (found) pressKey(event, { [nameOf(event)]: () => found.act(this.player, event) });
  }
}
