// The keys of the player: this table drives the keyboard and the help that "?" shows.
import { element } from "./elements.js";

const NAMES = {
  " ": "Space",
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  PageUp: "Page up",
  PageDown: "Page down",
  Escape: "Esc",
};

const isDrawing = ({ stage }) => Boolean(stage.drawing);
const isBegun = ({ marking, stage }) =>
  Boolean(marking.pending || marking.watching || stage.drawing);
const isAsked = ({ marking }) => Boolean(marking.question);
const isCovered = ({ drawer, modes, results }) =>
  drawer.isOpen() || modes.isSheetOpen() || results.isTable();
const ALWAYS = () => true;

// keys: any of them does it. when: of two rows with one key, the one that is for the moment counts.
const row = (group, keys, does, act, when = ALWAYS) => ({ group, keys, does, act, when });
const PLAY = "Playback";
const LOOK = "View";
const TRUE = "Annotate";
const EDIT = "Change";

export const KEYS = [
  row(PLAY, [" "], "play or pause", ({ stage }) => stage.toggle()),
  row(PLAY, ["ArrowLeft"], "a frame back", ({ stage }) => stage.step(-1)),
  row(PLAY, ["ArrowRight"], "a frame forward", ({ stage }) => stage.step(1)),
  row(PLAY, ["Shift+ArrowLeft"], "a sample back", ({ stage }) => stage.stepSample(-1)),
  row(PLAY, ["Shift+ArrowRight"], "a sample forward", ({ stage }) => stage.stepSample(1)),
  row(PLAY, ["ArrowUp"], "a second forward", ({ stage }) => stage.jumpBy(1)),
  row(PLAY, ["ArrowDown"], "a second back", ({ stage }) => stage.jumpBy(-1)),
  row(PLAY, ["PageUp"], "ten seconds forward", ({ stage }) => stage.jumpBy(10)),
  row(PLAY, ["PageDown"], "ten seconds back", ({ stage }) => stage.jumpBy(-10)),
  row(PLAY, ["Home"], "to the start of the clip", ({ transport }) => transport.toEnd(-1)),
  row(PLAY, ["End"], "to the end of the clip", ({ transport }) => transport.toEnd(1)),
  row(PLAY, ["["], "previous sighting", ({ transport }) => transport.jump(-1)),
  row(PLAY, ["]"], "next sighting", ({ transport }) => transport.jump(1)),
  row(PLAY, ["l"], "loop and play the sighting here, or the next", ({ transport }) =>
    transport.toggleLoop(),
  ),
  row(PLAY, ["s"], "sound on or off", ({ transport }) => transport.toggleSound()),
  row(LOOK, ["b"], "boxes on or off", ({ transport }) => transport.toggleBoxes()),
  row(LOOK, ["w"], "weak boxes on or off", ({ transport }) => transport.toggleWeakBoxes()),
  row(LOOK, ["+", "="], "zoom into the timeline", ({ timeline }) => timeline.zoomBy(-1)),
  row(LOOK, ["-", "_"], "zoom out of the timeline", ({ timeline }) => timeline.zoomBy(1)),
  row(LOOK, ["0"], "whole clip on the timeline", ({ transport }) => transport.zoomOut()),
  row(LOOK, ["h"], "blind: hide what the detector saw", ({ marking }) => marking.toggleBlind()),
  row(LOOK, ["?"], "these keys", ({ keysHelp }) => keysHelp.open()),
  row(
    LOOK,
    ["Escape"],
    "close the drawer, the table or the sheet",
    ({ drawer, modes, results }) => drawer.close() || results.closeTable() || modes.closeSheet(),
    (player) => isCovered(player) && !isBegun(player),
  ),
  row(TRUE, ["m"], "annotation: its start, then its end", ({ marking }) => marking.mark()),
  row(TRUE, ["c"], "watched: from here, then to here", ({ marking }) => marking.watch()),
  row(TRUE, ["v"], "the whole clip was watched", ({ marking }) => marking.watchWhole()),
  row(TRUE, ["x"], "erase the annotation at the playhead", ({ marking }) => marking.erase()),
  row(
    TRUE,
    ["Shift+y"],
    "answer a question: all marked",
    ({ marking }) => marking.answer(false),
    isAsked,
  ),
  row(
    TRUE,
    ["Shift+n"],
    "answer a question: nothing there",
    ({ marking }) => marking.answer(true),
    isAsked,
  ),
  row(TRUE, ["y"], "accept the sighting here", ({ marking }) => marking.judge("accepted")),
  row(TRUE, ["n"], "reject the sighting here", ({ marking }) => marking.judge("rejected")),
  row(EDIT, ["z", "Ctrl+z"], "undo", ({ marking }) => marking.undoing.undo()),
  row(EDIT, ["Shift+z", "Ctrl+Shift+z", "Ctrl+y"], "redo", ({ marking }) =>
    marking.undoing.redo(),
  ),
  row(
    EDIT,
    ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"],
    "move the cross of the zone that is drawn; with Shift slowly",
    ({ stage }, event) => stage.moveCross(event.key, event.shiftKey),
    isDrawing,
  ),
  row(
    EDIT,
    [" "],
    "a corner of the zone at the cross",
    ({ stage }) => stage.putCorner(),
    isDrawing,
  ),
  row(EDIT, ["Enter"], "finish the zone", ({ stage }) => stage.endZone(true), isDrawing),
  row(
    EDIT,
    ["Escape"],
    "drop the mark or zone that was begun",
    ({ marking, stage }) => marking.drop() || stage.endZone(false),
    isBegun,
  ),
];

// The row that counts now, of a key press by its names, the one that says most first.
export function rowOf(names, player) {
  const rows = names.flatMap((name) => KEYS.filter(({ keys }) => keys.includes(name)));
  const now = rows.filter(({ when }) => when(player));
  return now.find(({ when }) => when !== ALWAYS) || now[0];
}

// "Ctrl+Shift+Z", "Page up".
export function keyText(name) {
  const parts = name === "+" ? ["+"] : name.split("+");
  const textOf = (part) => NAMES[part] || (part.length === 1 ? part.toUpperCase() : part);
  return parts.map(textOf).join("+");
}

// The rows for people: [group, keys, what they do]; a second way to type the same sign is left out.
export function keyRows() {
  return KEYS.map(({ group, keys, does }) => {
    const shown = keys.filter((name) => name !== "=" && name !== "_");
    return [group, shown.map(keyText).join(", "), does];
  });
}

export class KeysHelp {
  constructor(root, legend) {
    this.dialog = element("dialog", { className: "keys", ariaLabel: "Keys" });
    const close = element("button", { textContent: "Close", autofocus: true });
    close.onclick = () => this.dialog.close();
    const head = element("div", { className: "keys-head" });
    head.append(element("b", { textContent: "Keys" }), close);
    const signs = element("b", { textContent: "On the timeline" });
    this.dialog.append(head, keyTables(), signs, legend);
    // Keys in it are its own; "?" closes it again.
    this.dialog.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "?") this.dialog.close();
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    root.append(this.dialog);
  }

  open() {
    if (!this.dialog.open) this.dialog.showModal();
  }
}

function keyTables() {
  const rows = keyRows();
  const groups = [...new Set(rows.map(([group]) => group))];
  const tables = groups.map((group) => {
    const own = rows.filter(([of]) => of === group);
    const lines = own.flatMap(([, shown, does]) => [
      element("dt", {}, element("kbd", { textContent: shown })),
      element("dd", { textContent: does }),
    ]);
    const title = element("b", { textContent: group });
    return element("section", {}, title, element("dl", {}, ...lines));
  });
  return element("div", { className: "keys-groups" }, ...tables);
}
