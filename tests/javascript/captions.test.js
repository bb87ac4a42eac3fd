import assert from "node:assert/strict";
import { test } from "node:test";

import { component } from "./components.js";

const { CAPTION_PX, placeCaptions } = await component("player/captions.js");

const at = (x, top, { width = 60, bottom = top + 80 } = {}) => ({ x, top, bottom, width });
const overlap = (a, b) =>
  a.left < b.left + b.width &&
  b.left < a.left + a.width &&
  Math.abs(a.y - b.y) < CAPTION_PX;

test("a caption stands above its box, and within the picture", () => {
  assert.deepEqual(placeCaptions([at(10, 50)], 400, 300), [{ left: 10, y: 33, width: 60 }]);
  assert.deepEqual(placeCaptions([at(380, 0)], 400, 300), [{ left: 340, y: 0, width: 60 }]);
});

test("captions of one place do not cover each other; the first is where it belongs", () => {
  const wanted = [at(10, 50), at(12, 52), at(30, 48), at(10, 50), at(11, 51)];
  const places = placeCaptions(wanted, 400, 300);
  assert.equal(places[0].y, 33);
  places.forEach((one, i) => {
    assert.notEqual(one, null);
    for (const other of places.slice(i + 1)) assert.equal(overlap(one, other), false);
  });
});

test("where there is no room a caption is left out, not put over another", () => {
  const places = placeCaptions(Array(5).fill(at(0, 10, { width: 100, bottom: 20 })), 100, 40);
  assert.deepEqual(
    places.map((place) => place !== null),
    [true, true, false, false, false],
  );
});

test("captions beside each other stay in line", () => {
  const places = placeCaptions([at(0, 50), at(60, 50), at(120, 50)], 400, 300);
  assert.deepEqual(
    places.map(({ y }) => y),
    [33, 33, 33],
  );
});

test("a caption keeps off what lies over the picture, and stays within it", () => {
  const line = { left: 6, y: 6, width: 200, height: 22 };
  const wanted = [at(10, 5), at(220, 5), at(10, 60)];
  const [at_top, beside, below] = placeCaptions(wanted, 400, 300, [line]);
  assert.ok(at_top.y >= 28 && at_top.y <= 283, `${at_top.y}`);
  assert.equal(beside.y, 0);
  assert.equal(below.y, 43);
});
