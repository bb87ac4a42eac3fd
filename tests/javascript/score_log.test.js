import assert from "node:assert/strict";
import { test } from "node:test";

import { makeLog } from "./builders.js";
import { component } from "./components.js";

const { ScoreLog } = await component("player/score_log.js");

// Scores of a curve with two digits; null where a sample was not analysed.
function shown(curve) {
  return [...curve].map((score) => (Number.isNaN(score) ? null : Number(score.toFixed(2))));
}

const ROWS = [
  [0, "cat", 0.9, [0, 0, 10, 10]],
  [2, "cat", 0.4, [1, 1, 11, 11]],
  [2, "dog", 0.7, [2, 2, 12, 12]],
  [2, "cat", 0.6, [3, 3, 13, 13]],
  [9, "dog", 0.5, [4, 4, 14, 14]],
];

test("the detections of a sample are all of it and no others", () => {
  const log = new ScoreLog(makeLog("A", ROWS));
  assert.deepEqual(
    log.detectionsAt(2).map((d) => [d.label, d.confidence, d.box]),
    [
      ["cat", 0.4, [1, 1, 11, 11]],
      ["dog", 0.7, [2, 2, 12, 12]],
      ["cat", 0.6, [3, 3, 13, 13]],
    ],
  );
  assert.deepEqual(log.detectionsAt(1), []);
  assert.deepEqual(
    log.detectionsAt(9).map((d) => d.label),
    ["dog"],
  );
});

test("texts that were read come with their detections", () => {
  const log = new ScoreLog(makeLog("A", ROWS.slice(0, 1), { text: ["EXIT"] }));
  assert.equal(log.detectionsAt(0)[0].text, "EXIT");
  assert.equal(new ScoreLog(makeLog("A", ROWS)).detectionsAt(0)[0].text, null);
});

test("a curve has the highest score of each sample, and zero where nothing was seen", () => {
  const log = new ScoreLog(makeLog("A", ROWS));
  assert.deepEqual(shown(log.curve("cat")), [0.9, 0, 0.6, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(shown(log.curve("dog")), [0, 0, 0.7, 0, 0, 0, 0, 0, 0, 0.5]);
  assert.deepEqual(shown(log.curve("otter")), Array(10).fill(0));
});

test("a curve is broken where a sample failed, was gated, or was not analysed", () => {
  const unseen = { failed: { 0: "no frame" }, gated: { 3: "still" }, missing: { cat: [5] } };
  const log = new ScoreLog(makeLog("A", ROWS, unseen));
  assert.deepEqual(shown(log.curve("cat")), [null, 0, 0.6, null, 0, null, 0, 0, 0, 0]);
  assert.deepEqual(shown(log.curve("dog")), [null, 0, 0.7, null, 0, 0, 0, 0, 0, 0.5]);
  assert.deepEqual(log.skipped("cat"), [3, 5]);
  assert.deepEqual(log.skipped("dog"), [3]);
  assert.deepEqual(log.failures(), [0]);
});

test("filtered scores are those of the samples that were analysed, in order", () => {
  const log = new ScoreLog(makeLog("A", ROWS, { failed: { 1: "no frame" } }));
  const curve = log.curve("cat", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]);
  assert.deepEqual(shown(curve), [0.1, null, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, null]);
});

test("labels are listed with their peaks, the strongest first", () => {
  const log = new ScoreLog(makeLog("A", ROWS));
  assert.deepEqual(
    log.strongest().map(({ name, peak }) => [name, Number(peak.toFixed(2))]),
    [
      ["cat", 0.9],
      ["dog", 0.7],
    ],
  );
});

test("labels that were never seen are listed if they were asked for or are few", () => {
  const labels = ["a", "b", "c", "d", "e"];
  const names = (changes) =>
    new ScoreLog(makeLog("A", [], changes)).strongest().map(({ name }) => name);
  assert.deepEqual(names({ labels }), []);
  assert.deepEqual(names({ labels, prompted: true }), labels);
  assert.deepEqual(names({ labels: labels.slice(0, 4) }), labels.slice(0, 4));
});

test("an empty log has no samples and no detections", () => {
  const log = new ScoreLog(makeLog("A", [], { pts_us: [] }));
  assert.equal(log.sampleAt(1000), -1);
  assert.equal(log.curve("cat").length, 0);
});
