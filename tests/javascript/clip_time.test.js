import assert from "node:assert/strict";
import { test } from "node:test";

import { component } from "./components.js";

const { clampToClip, frameDuration, isWithin, nextTime, sampleAt, videoTime } =
  await component("player/clip_time.js");

const PTS_US = [0, 200_000, 400_000, 600_000];

test("the sample of a time is the last at or before it", () => {
  assert.equal(sampleAt(PTS_US, 200_000), 1);
  assert.equal(sampleAt(PTS_US, 399_000 - 1000), 1);
  assert.equal(sampleAt(PTS_US, 10_000_000), 3);
});

test("a frame that is announced a little early is that of its sample", () => {
  assert.equal(sampleAt(PTS_US, 400_000 - 1500), 2);
  assert.equal(sampleAt(PTS_US, 400_000 - 1501), 1);
});

test("before the first sample there is none", () => {
  assert.equal(sampleAt([500_000], 100_000), -1);
  assert.equal(sampleAt([], 100_000), -1);
});

test("samples need not be evenly spaced", () => {
  const pts_us = [0, 10, 5000, 5_000_000, 5_100_000];
  for (const [i, at] of pts_us.entries()) {
    assert.equal(sampleAt(pts_us, at + 2000), i === 0 ? 1 : i);
  }
});

test("the next time in a direction is not the one that is here", () => {
  const times = [5, 1, 3];
  assert.equal(nextTime(times, 1, 1, 0.01), 3);
  assert.equal(nextTime(times, 3, -1, 0.01), 1);
  assert.equal(nextTime(times, 3.02, -1, 0.01, 0.05), 1);
  assert.equal(nextTime(times, 3.06, -1, 0.01, 0.05), 3);
  assert.equal(nextTime(times, 5, 1, 0.01), undefined);
  assert.equal(nextTime(times, 1, -1, 0.01), undefined);
  assert.deepEqual(times, [5, 1, 3], "what was given is not sorted");
});

test("a seek stays within the clip", () => {
  const clip = { first_pts_us: 1_000_000, end_us: 3_000_000 };
  assert.equal(clampToClip(clip, 2), 2);
  assert.equal(clampToClip(clip, 0), 1);
  assert.equal(clampToClip(clip, 9), 2.999);
  assert.equal(clampToClip({ first_pts_us: 1_000_000, end_us: 1_000_000 }, 9), 1);
});

test("the video is set half a millisecond into the frame, in the browser's clock", () => {
  assert.equal(videoTime(2, 0), 2.0005);
  assert.equal(videoTime(2, -1_500_000).toFixed(4), "0.5005");
  assert.equal(videoTime(1, -5_000_000), 0);
});

test("a frame lasts as the clip says, or a twenty-fifth of a second", () => {
  assert.equal(frameDuration({ frame_rate: 10 }), 0.1);
  assert.equal(frameDuration({ frame_rate: null }), 0.04);
});

test("a span holds its ends, and a little more", () => {
  const span = { onset_s: 1, offset_s: 2 };
  const held = [0.98, 0.995, 1.5, 2.005, 2.02].map((now_s) => isWithin(span, now_s, 0.01));
  assert.deepEqual(held, [false, true, true, true, false]);
});
