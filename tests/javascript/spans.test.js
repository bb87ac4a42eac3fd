import assert from "node:assert/strict";
import { test } from "node:test";

import { component } from "./components.js";

const { between, contains, coveredUs, overlaps, withEdge } = await component("player/spans.js");

const span = (start_us, end_us) => ({ start_us, end_us });
const CLIP = { first_pts_us: 100, end_us: 1000 };

test("what several stretches cover counts once", () => {
  assert.equal(coveredUs([]), 0);
  assert.equal(coveredUs([span(0, 10), span(20, 30)]), 20);
  assert.equal(coveredUs([span(0, 10), span(5, 15)]), 15);
  assert.equal(coveredUs([span(0, 30), span(5, 10), span(20, 40)]), 40);
  assert.equal(coveredUs([span(0, 10), span(10, 20)]), 20);
  assert.equal(coveredUs([span(0, 10), span(0, 10)]), 10);
});

test("they need not be in order, and keep theirs", () => {
  const spans = [span(20, 30), span(0, 10), span(5, 22)];
  assert.equal(coveredUs(spans), 30);
  assert.deepEqual(spans[0], span(20, 30));
});

test("spans that touch overlap", () => {
  assert.equal(overlaps(span(0, 10), span(10, 20)), true);
  assert.equal(overlaps(span(0, 10), span(11, 20)), false);
  assert.equal(overlaps(span(11, 20), span(0, 10)), false);
  assert.equal(overlaps(span(0, 30), span(10, 20)), true);
});

test("a span contains itself and what is inside it", () => {
  assert.equal(contains(span(0, 10), span(0, 10)), true);
  assert.equal(contains(span(0, 10), span(2, 5)), true);
  assert.equal(contains(span(0, 10), span(2, 11)), false);
  assert.equal(contains(span(1, 10), span(0, 5)), false);
});

test("the stretch between two times is the same in both directions", () => {
  assert.deepEqual(between(9, 10), span(9, 10));
  assert.deepEqual(between(10, 9), span(9, 10));
});

test("an edge moves within the clip and not past the other", () => {
  assert.deepEqual(withEdge(span(200, 400), "start_us", 300.4, CLIP), span(300, 400));
  assert.deepEqual(withEdge(span(200, 400), "start_us", 500, CLIP), span(400, 400));
  assert.deepEqual(withEdge(span(200, 400), "start_us", 0, CLIP), span(100, 400));
  assert.deepEqual(withEdge(span(200, 400), "end_us", 2000, CLIP), span(200, 1000));
  assert.deepEqual(withEdge(span(200, 400), "end_us", 150, CLIP), span(200, 200));
});
