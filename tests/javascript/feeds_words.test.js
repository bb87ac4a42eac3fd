import assert from "node:assert/strict";
import { test } from "node:test";

import {
  age,
  controlWords,
  count,
  figures,
  sightingsToday,
  sinkWord,
  stateDetails,
  stateWord,
} from "../../lab/app/ui/components/feeds/words.js";

const NOW = 1_800_000_000;

test("ages are in the unit that a person would take", () => {
  assert.deepEqual(
    [-3, 0.4, 59, 60, 3599, 3600, 172_799, 172_800].map(age),
    ["0 s", "0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 d"],
  );
});

test("every state has a word, and another one is shown as it is", () => {
  assert.equal(stateWord("frozen"), "Picture frozen");
  assert.equal(stateWord("unwatched"), "Not watched");
  assert.equal(stateWord("new state"), "new state");
  assert.equal(sinkWord("off"), "Switched off");
});

test("a feed that is being connected says when it is tried again", () => {
  const row = { state: "reconnecting", since: NOW - 60, retry_at: NOW + 12, lag_s: 0.4 };
  assert.match(stateDetails(row, NOW), /^since .* · next try in 12 s$/);
  assert.match(stateDetails({ ...row, retry_at: NOW }, NOW), /trying now$/);
});

test("a live feed says how far behind it is", () => {
  const row = { state: "live", since: NOW - 60, retry_at: null, lag_s: 0.42 };
  assert.match(stateDetails(row, NOW), /· lag 0.4 s$/);
  assert.doesNotMatch(stateDetails({ ...row, lag_s: null }, NOW), /lag/);
});

test("the labels that were seen most come first, and few of them", () => {
  const sightings = { cat: 2, person: 9, dog: 1, bird: 4 };
  assert.equal(sightingsToday({ sightings }), "today: person 9, bird 4, cat 2, 1 more");
  assert.equal(sightingsToday({ sightings: {} }), "no sightings today");
});

test("figures leave out what is not known yet", () => {
  const row = { detector: "yolo", every_s: 2, width_px: null, lag_s: null, analysed: 1 };
  const shown = new Map(figures(row));
  assert.equal(shown.get("Analysed"), "1 sample");
  assert.equal(shown.get("Decoded"), "0 frames");
  assert.ok(!shown.has("Picture") && !shown.has("Lag"));
  assert.equal(count(2, "alert"), "2 alerts");
});

test("a control that went well is told with its time and the next one", () => {
  const text = "the control found 2 of 2";
  const control = { state: "ok", text, at: NOW - 60, next_at: NOW + 60 };
  assert.equal(controlWords(null, NOW), "");
  assert.match(controlWords(control, NOW), /: the control found 2 of 2 · next control /);
  assert.match(controlWords({ ...control, state: "failed" }, NOW), /^next control /);
  assert.match(controlWords({ ...control, state: "playing" }, NOW), /played now/);
});
