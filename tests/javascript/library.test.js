// Clips of the library: what is marked, and that a redraw leaves alone what has not changed.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Library } from "../../lab/app/ui/components/library/library.js";
import { Marks } from "../../lab/app/ui/components/library/marks.js";
import { make, openPage } from "./fake_page.js";

openPage();

const rows = ["a", "b", "c", "d"].map((id) => ({
  id,
  name: `${id}.mp4`,
  path: `/clips/${id}.mp4`,
  folder: "/clips",
  site: "creek",
  start: "",
  length: "1.0 s",
  state: "new",
  runs: 0,
  problem: id === "d" ? "its file is missing" : "",
  picture: id === "d" ? null : `/api/pictures/${id}/0.jpg`,
}));

function opened(given = {}) {
  const library = new Library(make("div", "library"));
  const sent = [];
  library.report = (marks) => sent.push(marks);
  library.open = (id) => sent.push(id);
  library.show({ view: "grid", rows, marked: ["b"], version: 0, ...given });
  return { library, sent, boxes: library.root.querySelectorAll("input") };
}

function press(box, isOn, shiftKey = false) {
  box.checked = isOn;
  box.onclick({ shiftKey });
}

test("a click reports all marks of the page", () => {
  const { boxes, sent } = opened();
  press(boxes[0], true);
  press(boxes[3], true);
  assert.deepEqual(sent.at(-1), { page: ["a", "b", "c", "d"], on: ["a", "b", "d"], version: 0 });
});

test("shift marks all from the one before", () => {
  const { boxes, sent } = opened();
  press(boxes[0], true);
  press(boxes[3], true, true);
  assert.deepEqual(sent.at(-1).on, ["a", "b", "c", "d"]);
});

test("an older answer does not undo a click, a change by the program counts", () => {
  const { library, boxes } = opened();
  press(boxes[0], true);
  library.show({ view: "grid", rows, marked: [], version: 0 });
  assert.deepEqual(
    boxes.map((box) => box.checked),
    [true, true, false, false],
  );
  library.show({ view: "grid", rows, marked: ["c"], version: 1 });
  assert.deepEqual(
    boxes.map((box) => box.checked),
    [false, false, true, false],
  );
});

test("marks of another page are the server's", () => {
  const marks = new Marks();
  marks.take({ rows, marked: ["a"], version: 0 });
  marks.setAll(true);
  marks.take({ rows: [{ id: "e" }, { id: "f" }], marked: ["f"], version: 0 });
  assert.deepEqual(marks.message().on, ["f"]);
  assert.equal(marks.areAll(), false);
});

test("the table has a mark for the whole page", () => {
  const { library, sent } = opened({ view: "table" });
  library.all.checked = true;
  library.all.onchange();
  assert.deepEqual(sent.at(-1).on, ["a", "b", "c", "d"]);
  assert.equal(library.root.querySelectorAll("tr").length, 5);
});

test("the same rows are not drawn again, and a clip is opened by its name", () => {
  const { library, sent } = opened();
  const [before] = library.root.querySelectorAll("ul");
  library.show({ view: "grid", rows, marked: ["b"], version: 0 });
  assert.equal(library.root.querySelectorAll("ul")[0], before);
  library.root.querySelectorAll("button")[2].onclick();
  assert.deepEqual(sent, ["c"]);
});

test("a clip without a picture says so, and so does one whose picture fails", () => {
  const { library } = opened();
  const pictures = library.root.querySelectorAll("span.picture");
  assert.match(pictures[3].textContent, /^no picture/);
  library.root.querySelectorAll("img")[0].onerror();
  assert.match(pictures[0].textContent, /^no picture/);
  assert.match(library.root.textContent, /its file is missing/);
});

test("a name breaks after an underscore or before its ending", () => {
  const named = (name) => {
    const { library } = opened({ rows: [{ ...rows[0], name }] });
    return library.root.querySelectorAll("bdi")[0].children.map((part) => part.tagName ?? part);
  };
  assert.deepEqual(named("cat_comes.mp4"), ["cat_", "WBR", "comes", "WBR", ".mp4"]);
  assert.deepEqual(named("IMG 0001"), ["IMG 0001"]);
});
