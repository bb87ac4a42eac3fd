import assert from "node:assert/strict";
import { test } from "node:test";

import { makeRule } from "./builders.js";
import { component } from "./components.js";

const { limitsOf, secondsAndSamples, setSetting, typedNumber } =
  await component("player/rule_settings.js");

const debounce = (changes) => makeRule(changes).default.debounce;

function changed(before, name, value, isLinked = true) {
  const after = debounce(before);
  const stillLinked = setSetting(after, name, value, isLinked);
  return { ...after, stillLinked };
}

test("a count that is moved takes the place of the seconds that were given", () => {
  const before = { enter_s: 1, exit_s: 2, enter_frames: 5, exit_frames: 10 };
  assert.deepEqual(
    ["enter_s" in changed(before, "enter_frames", 3), changed(before, "enter_frames", 3).exit_s],
    [false, 2],
  );
  assert.equal("enter_s" in changed(before, "enter_window", 6), false);
  assert.equal("exit_s" in changed(before, "exit_frames", 3), false);
});

test("exit follows enter while they are linked", () => {
  const after = changed({}, "enter_threshold", 0.7);
  assert.equal(after.exit_threshold, 0.7);
  assert.equal(after.stillLinked, true);
});

test("without the link exit stays, but never above enter", () => {
  const before = { enter_threshold: 0.5, exit_threshold: 0.3 };
  assert.equal(changed(before, "enter_threshold", 0.7, false).exit_threshold, 0.3);
  assert.equal(changed(before, "enter_threshold", 0.2, false).exit_threshold, 0.2);
});

test("setting exit ends the link and lifts enter where it must", () => {
  const lower = changed({}, "exit_threshold", 0.2);
  assert.deepEqual([lower.enter_threshold, lower.stillLinked], [0.5, false]);
  assert.equal(changed({}, "exit_threshold", 0.8).enter_threshold, 0.8);
});

test("the window follows the count of samples that fill it", () => {
  assert.equal(changed({ enter_frames: 2, enter_window: 2 }, "enter_frames", 4).enter_window, 4);
  assert.equal(changed({ enter_frames: 2, enter_window: 2 }, "enter_frames", 1).enter_window, 1);
  assert.equal(changed({ enter_frames: 2, enter_window: 5 }, "enter_frames", 4).enter_window, 5);
  assert.equal(changed({ enter_frames: 2, enter_window: 5 }, "enter_frames", 6).enter_window, 6);
});

test("a shorter window needs fewer samples", () => {
  assert.equal(changed({ enter_frames: 3, enter_window: 5 }, "enter_window", 2).enter_frames, 2);
  assert.equal(changed({ enter_frames: 3, enter_window: 5 }, "enter_window", 4).enter_frames, 3);
});

test("other settings move nothing", () => {
  const { stillLinked, ...after } = changed({}, "merge_gap_s", 3);
  assert.deepEqual(after, debounce({ merge_gap_s: 3 }));
  assert.equal(stillLinked, true);
});

test("a count of samples is shown in seconds, too", () => {
  const one = debounce({ exit_frames: 1 });
  assert.equal(secondsAndSamples(one, "exit_frames", 0.2), "0.2 s = 1 sample");
  const three = debounce({ enter_window: 3 });
  assert.equal(secondsAndSamples(three, "enter_window", 0.2), "0.6 s = 3 samples");
});

test("a duration is shown in whole samples, rounded up", () => {
  const rule = debounce({ min_duration_s: 0.5, cooldown_s: 0.6 });
  assert.equal(secondsAndSamples(rule, "min_duration_s", 0.2), "0.5 s = 3 samples");
  assert.equal(secondsAndSamples(rule, "cooldown_s", 0.2), "0.6 s = 3 samples");
});

test("a merge gap that no two sightings can have is said to be too short", () => {
  const rule = debounce({ merge_gap_s: 0.5, exit_frames: 2 });
  const text = secondsAndSamples(rule, "merge_gap_s", 0.2);
  assert.equal(text, "0.5 s = 3 samples; too short to matter below 0.6 s");
  const longer = debounce({ merge_gap_s: 0.8, exit_frames: 2 });
  assert.equal(secondsAndSamples(longer, "merge_gap_s", 0.2), "0.8 s = 4 samples");
});

test("thresholds and what is off need no second reading", () => {
  assert.equal(secondsAndSamples(debounce(), "enter_threshold", 0.2), "");
  assert.equal(secondsAndSamples(debounce({ merge_gap_s: 0 }), "merge_gap_s", 0.2), "");
});

test("thresholds reach from the score floor to 1, others have no upper limit", () => {
  assert.deepEqual(limitsOf("enter_threshold", 0.01, 0.05), [0.05, 1]);
  assert.deepEqual(limitsOf("exit_frames", 1, 0.05), [1, Infinity]);
});

test("what is typed is kept within the limits, and what is no number is not taken", () => {
  assert.equal(typedNumber("0.4", [0.05, 1]), 0.4);
  assert.equal(typedNumber("0", [0.05, 1]), 0.05);
  assert.equal(typedNumber("7", [0.05, 1]), 1);
  assert.equal(typedNumber("700", [1, Infinity]), 700);
  assert.equal(typedNumber("", [0.05, 1]), null);
  assert.equal(typedNumber("x", [0.05, 1]), null);
});
