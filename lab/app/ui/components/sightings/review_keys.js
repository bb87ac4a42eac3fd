// What the keys do in the list of sightings.
import { isForField } from "../player/keyboard.js";
import { VERDICTS } from "./reviewing.js";

// Keys are for the list wherever the focus is in it, or nowhere.
export function isForList(event, root) {
  if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return false;
  const isInside = event.composedPath().includes(root);
  if (!root.isConnected || (!isInside && document.activeElement !== document.body)) return false;
  return !isForField(event) || event.composedPath()[0].type === "checkbox";
}

export function keysOf(sightings) {
  return sightings.row ? { ...moves(sightings), ...reviews(sightings) } : moves(sightings);
}

function moves(sightings) {
  const next = () => sightings.step(1);
  const previous = () => sightings.step(-1);
  return { ArrowRight: next, ArrowDown: next, ArrowLeft: previous, ArrowUp: previous };
}

function reviews(sightings) {
  const { preview, row } = sightings;
  const judge = ([key, verdict]) => [key, () => sightings.judge(row, verdict)];
  return {
    ...Object.fromEntries(Object.entries(VERDICTS).map(judge)),
    l: () => preview.edit("label"),
    t: () => preview.edit("tags"),
    ".": () => preview.edit("text"),
    x: () => sightings.mark(row.id),
    z: () => sightings.undo(),
    o: () => sightings.tell("review", row.id),
    " ": () => preview.screen.toggle(),
    Escape: () => sightings.close(),
  };
}
