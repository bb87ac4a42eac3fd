import assert from "node:assert/strict";
import { test } from "node:test";

import { component } from "./components.js";
import { FakeElement } from "./fake_element.js";

const { TimeScale } = await component("player/time_scale.js");
const { strokeCurve } = await component("player/curve.js");

function makeScale() {
  const scale = new TimeScale();
  scale.showAll({ first_pts_us: 2_000_000, end_us: 12_000_000 });
  scale.width = 100;
  return scale;
}

test("a place on the timeline and its time are each other's", () => {
  const scale = makeScale();
  assert.equal(scale.x(2), 0);
  assert.equal(scale.x(7), 50);
  assert.equal(scale.time(50, 100), 7);
  scale.zoom(0.3, 4);
  assert.ok(Math.abs(scale.time(scale.x(4.5), 100) - 4.5) < 1e-9);
});

test("zooming keeps the time under the pointer where it is", () => {
  const scale = makeScale();
  const before = scale.x(4);
  scale.zoom(0.5, 4);
  assert.ok(Math.abs(scale.x(4) - before) < 1e-9);
  assert.ok(Math.abs(scale.span - 5) < 1e-9);
});

test("neither zooming nor panning leaves the clip", () => {
  const scale = makeScale();
  scale.zoom(4, 4);
  assert.deepEqual([scale.from, scale.to], [2, 12]);
  scale.zoom(0.5, 12);
  scale.pan(10);
  assert.deepEqual([scale.from, scale.to], [7, 12]);
  scale.pan(-10);
  assert.deepEqual([scale.from, scale.to], [2, 7]);
});

test("half a second is the least that is shown", () => {
  const scale = makeScale();
  for (let i = 0; i < 40; i++) scale.zoom(0.5, 6);
  assert.ok(Math.abs(scale.span - 0.5) < 1e-9);
});

test("a clip of one picture has a timeline, too", () => {
  const scale = new TimeScale();
  scale.showAll({ first_pts_us: 0, end_us: 0 });
  assert.equal(scale.span, 0.1);
});

function drawn(curve, { width = 100, x = (i) => i, last = curve.length - 1 } = {}) {
  const canvas = new FakeElement("canvas");
  strokeCurve(canvas.getContext("2d"), { curve, x, y: (s) => s, first: 0, last, width });
  return canvas.drawn.filter(([name]) => name.endsWith("To"));
}

test("a curve goes through its samples and is broken where one was not analysed", () => {
  assert.deepEqual(drawn([0.1, 0.2, NaN, 0.4, 0.5]), [
    ["moveTo", 0, 0.1],
    ["lineTo", 1, 0.2],
    ["moveTo", 3, 0.4],
    ["lineTo", 4, 0.5],
  ]);
});

test("a sample between two that were not analysed is a short dash", () => {
  assert.deepEqual(drawn([NaN, 0.3, NaN]), [
    ["moveTo", 1, 0.3],
    ["lineTo", 3, 0.3],
  ]);
});

test("dense samples are a stroke a column, from the lowest to the highest", () => {
  const curve = [10, 90, 50, 40, NaN, 60];
  assert.deepEqual(drawn(curve, { width: 2, x: (i) => i / 3 }), [
    ["moveTo", 0.5, 10.5],
    ["lineTo", 0.5, 89.5],
    ["moveTo", 1.5, 40.5],
    ["lineTo", 1.5, 59.5],
  ]);
});
