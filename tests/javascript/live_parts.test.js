// What the live edge is made of: samples that come early, words, segments, a view that grows.
import assert from "node:assert/strict";
import { test } from "node:test";

import { component } from "./components.js";

const { RecentSamples } = await component("player/recent_samples.js");
const { ageOf, badgeOf, eventInWords, factsOf, messageOf } = await component(
  "player/live_words.js",
);
const { segmentAt } = await component("player/recording.js");
const { TimeScale } = await component("player/time_scale.js");

test("samples that were sent twice are kept once, and go with their run", () => {
  const recent = new RecentSamples();
  const sample = (s) => ({ pts_us: s * 1e6, state: "ok", boxes: [] });
  recent.add("A", [sample(1), sample(2)]);
  recent.add("A", [sample(1), sample(2), sample(3)]);
  assert.deepEqual(recent.times, [1e6, 2e6, 3e6]);
  assert.equal(recent.sampleAt("A", 2.5e6).pts_us, 2e6);
  assert.equal(recent.sampleAt("A", 2.5e6).next_us, 3e6);
  assert.equal(recent.sampleAt("A", 0.5e6), undefined);
  assert.equal(recent.sampleAt("B", 2.5e6), undefined);
  recent.add("B", [sample(9)]);
  assert.equal(recent.sampleAt("A", 2.5e6), undefined);
});

test("samples may come in any order, from the log or before it has them", () => {
  const recent = new RecentSamples();
  const sample = (s, more = {}) => ({ pts_us: s * 1e6, state: "ok", boxes: [], ...more });
  assert.equal(recent.add("A", [sample(3), sample(4)]).length, 2);
  const [fresh] = recent.add("A", [sample(1), sample(3), sample(4)]);
  assert.equal(fresh.pts_us, 1e6);
  assert.deepEqual(recent.times, [1e6, 3e6, 4e6]);
  recent.add("A", [sample(5, { state: "failed", why: "no key frame" })]);
  assert.equal(recent.sampleAt("A", 5e6).failed, "no key frame");
});

test("each state has its words", () => {
  const said = (state, more = {}) => messageOf({ state, ...more }, 100);
  assert.equal(said("live"), "");
  assert.equal(said("live", { problem: "the disk is full" }), "the disk is full");
  assert.match(said("reconnecting", { retry_at: 104.2 }), /Next try in 5 s/);
  assert.match(said("failed", { reason: "no such host" }), /failed: no such host/);
  assert.deepEqual(["live", "frozen", "ended"].map(badgeOf), ["Live", "Frozen", ""]);
  for (const state of ["starting", "frozen", "stopped", "ended", null]) assert.ok(said(state));
});

test("the facts are told, and those that are none are left out", () => {
  const counts = { decoded: 1234, analysed: 50, skipped: 0, reconnects: 1 };
  const status = { state: "live", lag_s: 0.4, ...counts };
  const told = factsOf(status);
  assert.equal(ageOf(0.25), "picture 0.3 s old");
  assert.equal(ageOf(null), "");
  assert.match(told, /^1,234 decoded · 50 analysed · 0 skipped · 1 reconnect · /);
  assert.match(told, /decided 0\.4 s behind/);
  assert.equal(factsOf({ state: null }), "");
  assert.equal(eventInWords({ kind: "opened", label: "x", peak_confidence: 1, is_test: true }), "");
});

test("a segment holds the times from its beginning to the next one's", () => {
  const segments = [{ start_s: 0 }, { start_s: 60 }, { start_s: 200 }];
  assert.deepEqual(
    [-1, 0, 59, 60, 199, 500].map((time_s) => segmentAt(segments, time_s)),
    [-1, 0, 0, 1, 1, 2],
  );
});

test("a view of a part stays where it is while the session grows", () => {
  const scale = new TimeScale();
  scale.showAll({ first_pts_us: 0, end_us: 10e6 });
  scale.showStretch(2, 4);
  scale.grow(20);
  assert.deepEqual([scale.from, scale.to, scale.full[1]], [2, 4, 20]);
  scale.grow(15);
  assert.equal(scale.full[1], 20);
});
