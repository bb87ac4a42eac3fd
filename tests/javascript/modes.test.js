import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeAnnotation, makeData } from "./builders.js";
import { PlayerPage } from "./player_page.js";

const ASK = {
  label: "cat",
  start_us: 2e6,
  end_us: 4e6,
  media_id: "media-of-A",
  origin: "queue",
  title: "Question (2 open):",
  text: "rules disagree",
  blind: false,
  n: 1,
};

let page;
beforeEach(async () => {
  page = await PlayerPage.open();
});

const part = (selector) => page.player.root.querySelector(selector);
const modeButton = (mode) =>
  part(".switch")
    .querySelectorAll("button")
    .find((one) => one.dataset.mode === mode);
const shown = () => [
  page.player.root.dataset.mode,
  !part(".side").hidden,
  !part(".marks").hidden,
];

test("tune has the rule at the right, annotate the annotations; it is remembered", () => {
  assert.deepEqual(shown(), ["tune", true, false]);
  modeButton("annotate").click();
  assert.deepEqual(shown(), ["annotate", false, true]);
  assert.equal(localStorage.getItem("lab-mode"), "annotate");
});

test("a question is at the top, and its stretch is zoomed and looped", () => {
  const { stage, timeline } = page.player;
  const whole = timeline.scale.span;
  page.say(makeData("A", { ask: ASK }));
  assert.equal(part(".question").hidden, false);
  assert.match(part(".question").textContent, /\(2 open\): Look for cat in 0:02.00 to 0:04.00/);
  assert.deepEqual(shown(), ["annotate", false, true]);
  assert.deepEqual(stage.loop, [2, 4]);
  assert.deepEqual([timeline.scale.from, timeline.scale.to], [1.5, 4.5]);
  page.say(makeData("A", { ask: null }));
  assert.equal(part(".question").hidden, true);
  assert.deepEqual(shown(), ["tune", true, false]);
  assert.equal(stage.loop, null);
  assert.equal(timeline.scale.span, whole);
  assert.equal(localStorage.getItem("lab-mode"), null);
});

test("the same question again keeps a zoom that the user chose", () => {
  page.say(makeData("A", { ask: ASK }));
  page.player.timeline.showAll();
  page.player.stage.loop = null;
  page.say(makeData("A", { ask: { ...ASK } }));
  assert.equal(page.player.stage.loop, null);
  assert.notEqual(page.player.timeline.scale.from, 1.5);
});

test("the annotations of the label are listed in their order; a click goes there", () => {
  const records = [makeAnnotation("b", 5e6, 6e6), makeAnnotation("a", 1e6, 2e6)];
  page.player.annotations.setRecords(records);
  const rows = part(".marks").querySelectorAll("button.mark");
  assert.deepEqual(
    rows.map((row) => row.textContent),
    ["0:01.00 to 0:02.00independent", "0:05.00 to 0:06.00independent"],
  );
  rows[1].click();
  assert.equal(page.player.stage.target_s, 5);
});

test("groups are folded as the user left them", () => {
  const group = (title) =>
    part(".side")
      .querySelectorAll("details")
      .find((one) => one.querySelector("summary").textContent === title);
  assert.deepEqual([group("Labels").open, group("Zones and sizes").open], [true, false]);
  const zones = group("Zones and sizes");
  zones.open = true;
  zones.dispatchEvent(new Event("toggle"));
  page.player.rulePanel.rebuild();
  assert.deepEqual([group("Labels").open, group("Zones and sizes").open], [true, true]);
});
