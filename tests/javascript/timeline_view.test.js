// The timeline's view: wheel, fingers, dragging, the overview strip, the playhead.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { component } from "./components.js";
import { PlayerPage } from "./player_page.js";

const { scoreY } = await component("player/lanes.js");

let page;
let timeline;
let scale;
beforeEach(async () => {
  page = await PlayerPage.open(); // a clip of 10 s on canvases that are 100 pixels wide
  ({ timeline } = page.player);
  ({ scale } = timeline);
});

const view = () => [scale.from, scale.to].map((s) => Number(s.toFixed(2)));
const sentTo = () => page.player.stage.target_s;
const enter = (label = "cat") => page.player.model.ruleOf(label).debounce.enter_threshold;

function send(canvas, type, clientX, clientY = 2, changes = {}) {
  const event = new Event(type, { cancelable: true });
  Object.assign(event, { clientX, clientY, pointerId: 1, button: 0, ...changes });
  canvas.dispatchEvent(event);
  return event;
}

function drag(canvas, [fromX, fromY], [toX, toY], changes) {
  send(canvas, "pointerdown", fromX, fromY, changes);
  send(canvas, "pointermove", (fromX + toX) / 2, (fromY + toY) / 2, changes);
  send(canvas, "pointermove", toX, toY, changes);
  send(canvas, "pointerup", toX, toY, changes);
}

const wheel = (deltaY, changes) =>
  send(timeline.canvas, "wheel", 50, 2, { deltaX: 0, deltaY, ...changes });

// ---- the wheel

test("a wheel alone is the page's: it neither zooms nor is it taken", () => {
  assert.equal(wheel(120).defaultPrevented, false);
  assert.deepEqual(view(), [0, 10]);
});

test("with Ctrl the wheel zooms around the pointer, as a trackpad's pinch does", () => {
  assert.equal(wheel(-100, { ctrlKey: true }).defaultPrevented, true);
  assert.ok(scale.span < 10);
  assert.ok(Math.abs((scale.from + scale.to) / 2 - 5) < 1e-6);
  for (let i = 0; i < 9; i++) wheel(100, { ctrlKey: true });
  assert.deepEqual(view(), [0, 10]);
});

test("with Shift, or sideways, the wheel moves along", () => {
  timeline.showStretch(4, 6);
  assert.equal(wheel(400, { shiftKey: true }).defaultPrevented, true);
  assert.deepEqual(view(), [5, 7]);
  wheel(0, { deltaX: -400 });
  assert.deepEqual(view(), [4, 6]);
});

// ---- dragging in the lanes

test("dragging moves a view that is zoomed, and a click goes there", () => {
  timeline.showStretch(4, 6);
  drag(timeline.canvas, [50, 30], [20, 30]);
  assert.deepEqual(view(), [4.6, 6.6]);
  assert.equal(sentTo(), undefined);
  drag(timeline.canvas, [50, 30], [51, 30]);
  assert.equal(sentTo(), 5.6);
});

test("dragging in a whole clip, and on the axis, takes the playhead along", () => {
  drag(timeline.canvas, [50, 30], [70, 30]);
  assert.equal(sentTo(), 7);
  timeline.showStretch(4, 6);
  drag(timeline.axis, [50, 5], [25, 5]);
  assert.equal(sentTo(), 4.5);
  assert.deepEqual(view(), [4, 6]);
});

test("two fingers zoom: what was under them stays under them", () => {
  const finger = (pointerId) => ({ pointerId, pointerType: "touch" });
  send(timeline.canvas, "pointerdown", 40, 30, finger(1));
  send(timeline.canvas, "pointerdown", 60, 30, finger(2));
  send(timeline.canvas, "pointermove", 20, 30, finger(1));
  send(timeline.canvas, "pointermove", 80, 30, finger(2));
  assert.ok(Math.abs(scale.time(20, 100) - 4) < 0.01);
  assert.ok(Math.abs(scale.time(80, 100) - 6) < 0.01);
  send(timeline.canvas, "pointerup", 80, 30, finger(2));
  send(timeline.canvas, "pointerup", 20, 30, finger(1));
  assert.equal(timeline.pointer.drag, null);
});

// ---- thresholds

test("a threshold is dragged up and down; exit goes along where both are one", () => {
  const y = scoreY(0, 0.5);
  send(timeline.canvas, "pointermove", 30, y);
  assert.equal(timeline.canvas.style.cursor, "ns-resize");
  drag(timeline.canvas, [30, y], [30, y - 7]);
  const { debounce } = page.player.model.rule.default;
  assert.deepEqual([debounce.enter_threshold, debounce.exit_threshold], [0.75, 0.75]);
  assert.equal(page.reported.at(-1)[0], "rule");
  assert.equal(sentTo(), undefined, "it does not seek");
  page.press("z");
  assert.equal(enter(), 0.5);
});

test("exit is dragged by itself where it is another line, and never above enter", () => {
  page.player.rulePanel.set("exit_threshold", 0.25);
  drag(timeline.canvas, [30, scoreY(0, 0.25)], [30, scoreY(0, 0.25) - 21]);
  const { debounce } = page.player.model.rule.default;
  assert.deepEqual([debounce.exit_threshold, debounce.enter_threshold], [1, 1]);
});

test("with Shift a threshold moves slowly, and none goes below the score floor", () => {
  const y = scoreY(0, 0.5);
  drag(timeline.canvas, [30, y], [30, y - 14], { shiftKey: true });
  assert.equal(enter(), 0.55);
  drag(timeline.canvas, [30, scoreY(0, 0.55)], [30, 300]);
  assert.equal(enter(), 0.05);
});

test("a label's own rule is what its lane changes", () => {
  page.player.rulePanel.setScope("dog");
  page.player.model.edit(() => {});
  page.player.rulePanel.setScope("");
  const lane = page.player.model.trackLabels().indexOf("dog");
  const y = scoreY(36 * lane, 0.5);
  drag(timeline.canvas, [30, y], [30, y - 7]);
  assert.deepEqual([enter("dog"), enter("cat")], [0.75, 0.5]);
});

test("a click on a threshold goes to its time", () => {
  const y = scoreY(0, 0.5);
  drag(timeline.canvas, [30, y], [31, y]);
  assert.equal(sentTo(), 3);
  assert.equal(enter(), 0.5);
});

// ---- the overview strip

test("the strip's handles set the ends of the view", () => {
  const { canvas } = timeline.overview;
  drag(canvas, [1, 10], [41, 10]);
  assert.deepEqual(view(), [4.1, 10]);
  drag(canvas, [99, 10], [60, 10]);
  assert.deepEqual(view(), [4.1, 6]);
  drag(canvas, [60, 10], [0, 10]);
  assert.ok(Math.abs(scale.span - 0.5) < 1e-6, "never less than can be seen");
});

test("the strip's window is dragged along, and outside of it the playhead goes", () => {
  const { canvas } = timeline.overview;
  timeline.showStretch(4, 8);
  drag(canvas, [60, 10], [50, 10]);
  assert.deepEqual(view(), [3, 7]);
  assert.equal(sentTo(), undefined);
  send(canvas, "pointerdown", 95, 10);
  assert.equal(sentTo(), 9.5);
  send(canvas, "pointerup", 95, 10);
  send(canvas, "dblclick", 95, 10);
  assert.deepEqual(view(), [0, 10]);
});

test("the strip shows the strongest score and the sightings, but not to who is blind", () => {
  const { canvas } = timeline.overview;
  const bars = () => canvas.drawn.filter(([name]) => /fillRect|lineTo/.test(name)).length;
  canvas.drawn.length = 0;
  timeline.draw();
  const seen = bars();
  assert.deepEqual(Number(timeline.overview.heights[10].toFixed(2)), 0.9);
  page.press("h");
  canvas.drawn.length = 0;
  timeline.draw();
  assert.ok(bars() < seen - 3);
});

// ---- following

test("a zoomed view follows the playhead as it plays, and where it is sent", () => {
  timeline.showStretch(0, 2);
  page.player.stage.video.play();
  page.showFrame(1.9);
  assert.deepEqual(view(), [0, 2]);
  page.showFrame(2.1);
  assert.deepEqual(view(), [1.9, 3.9]);
  page.press("]");
  page.showFrame(5);
  assert.ok(scale.holds(5));
});

test("who looks elsewhere is not taken back by a clip that plays", () => {
  page.player.stage.video.play();
  page.showFrame(0.5);
  timeline.showStretch(6, 8);
  page.showFrame(0.6);
  assert.deepEqual(view(), [6, 8]);
  page.showFrame(4.5); // sent there
  assert.ok(scale.holds(4.5));
});

// ---- layout

test("drawing asks the overview once how wide it is: each question may lay out the page", () => {
  const { overview } = timeline;
  let asked = 0;
  Object.defineProperty(overview.canvas, "clientWidth", { get: () => (asked++, 100) });
  overview.heights = null;
  overview.draw();
  assert.equal(asked, 1);
});
