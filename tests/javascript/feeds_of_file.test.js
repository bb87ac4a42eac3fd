// What is in the file that a terminal watches cannot be changed on the page Feeds.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Card } from "../../lab/app/ui/components/feeds/card.js";
import { Sinks } from "../../lab/app/ui/components/feeds/sinks.js";
import { openPage } from "./fake_page.js";

openPage();

const NOW = 1_800_000_000;

function feed(given) {
  const card = new Card("garden", { ask() {}, click() {} }, { observe() {} });
  const row = { id: "garden", state: "stopped", since: NOW, present: [], sightings: {} };
  card.update({ ...row, lag_s: 0.1, ...given }, NOW);
  return card;
}

function sink(given) {
  const sinks = new Sinks(() => {});
  sinks.update([{ name: "table", type: "csv", state: "ok", ...given }], NOW);
  return sinks.frame.querySelectorAll("button");
}

test("a feed of the file is neither edited nor removed here, and its rule is", () => {
  const { edit, remove, rule } = feed({ is_of_file: true });
  assert.deepEqual([edit.disabled, remove.disabled, rule.disabled], [true, true, false]);
  assert.match(edit.title, /in the file/);
  assert.match(remove.title, /in the file/);
});

test("a feed of the app is edited, and removed once it has stopped", () => {
  const stopped = feed({ is_of_file: false });
  assert.deepEqual([stopped.edit.disabled, stopped.remove.disabled], [false, false]);
  const live = feed({ is_of_file: false, state: "live" });
  assert.deepEqual([live.edit.disabled, live.remove.disabled], [false, true]);
  assert.equal(live.remove.title, "Stop the feed first");
});

test("a sink of the file is tried here and changed there", () => {
  const states = (given) => sink(given).map((one) => [one.textContent, one.disabled, one.title]);
  const hint = "It is in the file that is watched: change it there";
  assert.deepEqual(states({ is_of_file: true }).slice(1), [
    ["Edit", true, hint],
    ["Remove", true, hint],
  ]);
  assert.ok(!states({ is_of_file: true })[0][1]);
  assert.ok(states({ is_of_file: false }).every(([, isOff]) => !isOff));
});
