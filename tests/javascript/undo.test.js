// Undo and redo of annotations, rule and zones, in one order.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeData } from "./builders.js";
import { settle } from "./fake_server.js";
import { PlayerPage } from "./player_page.js";

const TRIANGLE = [
  [0.2, 0.2],
  [0.8, 0.2],
  [0.5, 0.8],
];

let page;
beforeEach(async () => {
  page = await PlayerPage.open();
});

const filter = () => page.player.model.rule.default.box_filter;
const enter = () => page.player.model.rule.default.debounce.enter_threshold;

function setEnter(value) {
  page.player.rulePanel.set("enter_threshold", value);
  page.player.model.emit("released");
}

function addZone() {
  page.player.model.edit(({ box_filter }) => box_filter.include.push(structuredClone(TRIANGLE)));
  page.player.model.emit("released");
}

function mark(from_s, to_s) {
  page.showFrame(from_s);
  page.press("m");
  page.showFrame(to_s);
  page.press("m");
}

test("the last thing done is undone first, whatever it was done to", () => {
  setEnter(0.7);
  mark(1, 2);
  addZone();
  page.press("z", { ctrlKey: true });
  assert.equal(filter().include.length, 0);
  assert.match(page.message, /Undone: a change of the zones/);
  assert.equal(page.records.length, 1);
  page.press("z", { ctrlKey: true });
  assert.equal(page.records.length, 0);
  assert.equal(enter(), 0.7);
  page.press("z");
  assert.equal(enter(), 0.5);
  page.press("z");
  assert.match(page.message, /Nothing to undo/);
});

test("redo does it again in its order, until something else is done", () => {
  setEnter(0.7);
  mark(1, 2);
  const [{ id }] = page.records;
  page.press("z");
  page.press("z");
  page.press("Z", { ctrlKey: true, shiftKey: true });
  assert.equal(enter(), 0.7);
  page.press("y", { ctrlKey: true });
  assert.deepEqual(
    page.records.map((record) => record.id),
    [id],
  );
  page.press("z");
  setEnter(0.6);
  page.press("Z", { shiftKey: true });
  assert.match(page.message, /Nothing to do again/);
  assert.equal(enter(), 0.6);
});

test("an undone rule is replayed, and Python is told", async () => {
  setEnter(0.7);
  await settle();
  const replays = page.replays().length;
  page.press("z");
  await settle();
  assert.ok(page.replays().length > replays || page.player.model.isOutdated);
  const [name, text] = page.reported.at(-1);
  assert.equal(name, "rule");
  assert.equal(JSON.parse(text).rule.default.debounce.enter_threshold, 0.5);
});

test("a slider that is dragged is one step", () => {
  for (const value of [0.6, 0.65, 0.7]) page.player.rulePanel.set("enter_threshold", value);
  page.player.model.emit("released");
  page.press("z");
  assert.equal(enter(), 0.5);
});

test("a rule that was loaded on the page can be undone", () => {
  setEnter(0.7);
  const rule = structuredClone(page.player.model.rule);
  rule.default.debounce.enter_threshold = 0.9;
  page.say(makeData("A", { rule, rule_n: 2 }));
  page.press("z");
  assert.equal(enter(), 0.7);
});

test("another run has nothing to undo of the rule before", () => {
  setEnter(0.7);
  page.say(makeData("B"));
  page.press("z");
  assert.equal(enter(), 0.5);
  assert.match(page.message, /Nothing to undo/);
});

test("an annotation that the server refused is neither undone nor done again", async () => {
  setEnter(0.7);
  mark(1, 2);
  await settle();
  await page.server.answer(page.saves()[0], "not possible", { status: 400 });
  page.press("z");
  assert.equal(enter(), 0.5, "the step before it");
});

test("of a zone that is being drawn undo takes the last corner", () => {
  setEnter(0.7);
  const { stage } = page.player;
  stage.startZone("include");
  stage.drawing.points = structuredClone(TRIANGLE);
  page.press("z", { ctrlKey: true });
  assert.equal(stage.drawing.points.length, 2);
  assert.equal(enter(), 0.7);
});

// ---- corners of zones

function pointer(type, clientX, clientY, changes = {}) {
  const event = Object.assign(new Event(type), { clientX, clientY, pointerId: 1, ...changes });
  page.overlay.dispatchEvent(event);
}

test("a corner of a zone is dragged, in the picture, and that is one step", () => {
  addZone();
  pointer("pointerdown", 21, 11);
  pointer("pointermove", 15, 20);
  pointer("pointermove", -10, 30);
  pointer("pointerup", -10, 30);
  assert.deepEqual(filter().include[0], [[0, 0.6], ...TRIANGLE.slice(1)]);
  const wasPaused = page.player.stage.video.paused;
  page.overlay.dispatchEvent(Object.assign(new Event("click"), { clientX: 0, clientY: 30 }));
  assert.equal(page.player.stage.video.paused, wasPaused, "the end of a drag is no click");
  page.press("z");
  assert.deepEqual(filter().include[0], TRIANGLE);
});

test("a finger takes a corner from further away, and elsewhere a click plays", () => {
  addZone();
  pointer("pointerdown", 36, 22);
  assert.equal(page.player.stage.handles.held, null);
  pointer("pointerdown", 36, 22, { pointerType: "touch" });
  assert.equal(page.player.stage.handles.held.corner, 0);
  pointer("pointerup", 36, 22);
  assert.deepEqual(filter().include[0], TRIANGLE);
  assert.equal(page.overlay.style.touchAction, "none");
});
