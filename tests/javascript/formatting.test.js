import assert from "node:assert/strict";
import { test } from "node:test";

import { component } from "./components.js";

const formatting = await component("player/formatting.js");
const { counted, mediaTime, rate, seconds, ticks, wallTime } = formatting;

test("lengths below a minute are seconds, others minutes and seconds", () => {
  assert.equal(seconds(0), "0.00 s");
  assert.equal(seconds(9.5), "9.50 s");
  assert.equal(seconds(65.25), "1:05.25");
  assert.equal(seconds(3600), "1:00:00.00");
});

test("a length that rounds up to a minute is a minute", () => {
  assert.equal(seconds(59.994), "59.99 s");
  assert.equal(seconds(59.996), "1:00.00");
  assert.equal(seconds(119.999), "2:00.00");
});

test("times before the beginning have a sign, and nothing is not minus nothing", () => {
  assert.equal(seconds(-1.5), "-1.50 s");
  assert.equal(seconds(-61), "-1:01.00");
  assert.equal(seconds(-0.001), "0.00 s");
});

test("a time in the clip has minutes and seconds from its beginning", () => {
  assert.equal(mediaTime(0), "0:00.00");
  assert.equal(mediaTime(59.996), "1:00.00");
  assert.equal(mediaTime(820.6), "13:40.60");
  assert.equal(mediaTime(3723), "1:02:03.00");
  assert.equal(mediaTime(-1.5), "-0:01.50");
});

test("what is not known is a dash", () => {
  assert.equal(mediaTime(null), "–");
  assert.equal(seconds(null), "–");
  assert.equal(seconds(undefined), "–");
  assert.equal(rate(null), "–");
  assert.equal(rate(undefined), "–");
});

test("rates have two digits unless others are asked for", () => {
  assert.equal(rate(0.256), "0.26");
  assert.equal(rate(12.34, 1), "12.3");
  assert.equal(rate(0), "0.00");
});

test("one is singular", () => {
  assert.deepEqual(
    [0, 1, 2].map((n) => counted(n, "sighting")),
    ["0 sightings", "1 sighting", "2 sightings"],
  );
});

test("an axis has a tick at least every 90 pixels, at round times", () => {
  const texts = ticks(0, 10, 900).map((tick) => tick.text);
  assert.deepEqual(texts.slice(0, 3), ["0:00", "0:01", "0:02"]);
  assert.equal(texts.length, 11);
  assert.deepEqual(
    ticks(0, 10, 200).map((tick) => tick.text),
    ["0:00", "0:05", "0:10"],
  );
});

test("short stretches have tenths, also after a minute", () => {
  const tenths = ticks(59.7, 60.3, 600).map((tick) => tick.text);
  assert.deepEqual(tenths, ["0:59.7", "0:59.8", "0:59.9", "1:00.0", "1:00.1", "1:00.2", "1:00.3"]);
});

test("ticks are multiples of their step, however many there are", () => {
  const all = ticks(119.5, 120.5, 900);
  assert.ok(all.some((tick) => tick.text === "2:00.0"));
  assert.ok(all.every((tick) => !tick.text.includes(":60")));
  assert.ok(all.every((tick) => tick.time_s >= 119.5 - 1e-6 && tick.time_s <= 120.5));
});

test("the time of day is that of the clip's clock", () => {
  const start_ms = Date.UTC(2026, 4, 1, 23, 59, 58);
  assert.equal(wallTime(start_ms, 0), "2026-05-01 23:59:58");
  assert.equal(wallTime(start_ms, 2.5), "2026-05-02 00:00:00");
  assert.equal(wallTime(null, 3), "");
  assert.equal(wallTime(undefined, 3), "");
});
