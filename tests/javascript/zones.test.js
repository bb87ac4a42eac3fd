import assert from "node:assert/strict";
import { test } from "node:test";

import { EVERYTHING } from "./builders.js";
import { component } from "./components.js";

const { cornerAt, isInside, passes, setAreaFraction, withCorner } =
  await component("player/zones.js");

const SIZE = [100, 50];
const LEFT_HALF = [
  [0, 0],
  [0.5, 0],
  [0.5, 1],
  [0, 1],
];
// An L: the upper right quarter is not in it.
const L_SHAPE = [
  [0, 0],
  [0.5, 0],
  [0.5, 0.5],
  [1, 0.5],
  [1, 1],
  [0, 1],
];
const onLeft = [10, 10, 20, 20];
const onRight = [70, 10, 90, 20];
const filter = (changes) => ({ ...EVERYTHING, ...changes });

test("a point is inside a polygon with a corner that goes in", () => {
  assert.equal(isInside(L_SHAPE, [0.25, 0.25]), true);
  assert.equal(isInside(L_SHAPE, [0.75, 0.75]), true);
  assert.equal(isInside(L_SHAPE, [0.75, 0.25]), false);
  assert.equal(isInside(L_SHAPE, [1.5, 0.75]), false);
  assert.equal(isInside(L_SHAPE, [-0.5, 0.75]), false);
});

test("a box counts where the middle of its lower edge is", () => {
  const include = [LEFT_HALF];
  assert.equal(passes(filter({ include }), onLeft, SIZE), true);
  assert.equal(passes(filter({ include }), onRight, SIZE), false);
  assert.equal(passes(filter({ include }), [0, 0, 110, 20], SIZE), false);
  const lower = [LEFT_HALF.map(([x, y]) => [2 * x, 0.5 + y / 2])];
  assert.equal(passes(filter({ include: lower }), [0, 0, 10, 40], SIZE), true);
  assert.equal(passes(filter({ include: lower }), [0, 0, 10, 20], SIZE), false);
});

test("one of several zones is enough, and an exclusion beats them", () => {
  const include = [LEFT_HALF, LEFT_HALF.map(([x, y]) => [x + 0.5, y])];
  assert.equal(passes(filter({ include }), onRight, SIZE), true);
  assert.equal(passes(filter({ include, exclude: [LEFT_HALF] }), onLeft, SIZE), false);
  assert.equal(passes(filter({ exclude: [LEFT_HALF] }), onRight, SIZE), true);
});

test("a box at the lower edge of the picture is in a zone that reaches there", () => {
  assert.equal(passes(filter({ include: [LEFT_HALF] }), [0, 30, 20, 50], SIZE), true);
});

test("a box counts by its part of the picture", () => {
  const box = [0, 0, 10, 50]; // a tenth
  assert.equal(passes(filter({ min_area_fraction: 0.09 }), box, SIZE), true);
  assert.equal(passes(filter({ min_area_fraction: 0.11 }), box, SIZE), false);
  assert.equal(passes(filter({ max_area_fraction: 0.09 }), box, SIZE), false);
});

test("a corner is a fraction of the picture, to four digits and within it", () => {
  assert.deepEqual(cornerAt(30, 10, 90, 40), [0.3333, 0.25]);
  assert.deepEqual(cornerAt(-5, 50, 90, 40), [0, 1]);
});

test("the second click of a double click adds no corner", () => {
  const points = withCorner(withCorner([], [0.1, 0.2]), [0.1, 0.2]);
  assert.deepEqual(points, [[0.1, 0.2]]);
  assert.equal(withCorner(points, [0.1, 0.3]).length, 2);
  assert.equal(withCorner(points, [0.2, 0.2]).length, 2);
});

test("the smallest part is never above the largest", () => {
  const edited = filter({ max_area_fraction: 0.5 });
  setAreaFraction(edited, "min_area_fraction", 0.7);
  assert.equal(edited.max_area_fraction, 0.7);
  setAreaFraction(edited, "max_area_fraction", 0.2);
  assert.equal(edited.min_area_fraction, 0.2);
  setAreaFraction(edited, "max_area_fraction", 3);
  assert.equal(edited.max_area_fraction, 1);
});
