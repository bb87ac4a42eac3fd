// The drawer's video: begun, followed while it is made, cancelled, and offered.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeAnswer } from "./builders.js";
import { component } from "./components.js";
import { PlayerPage } from "./player_page.js";

const { progressOf } = await component("player/annotated_video.js");

const MADE = "/api/runs/A/annotated";
const RUNNING = { state: "running", done: 25, total: 100, left_s: 6, rule_hash: "hash" };

let page, place;
beforeEach(async () => {
  page = await PlayerPage.open();
  place = page.player.root.querySelector(".annotated");
});

const asked = (method) => page.server.to(MADE, method);
const answer = (facts) => page.server.answer(asked().at(-1), { rule_hash: "hash", ...facts });
const buttons = () => place.querySelectorAll("button").map((made) => made.textContent);
const named = (text) => place.querySelectorAll("button").find((b) => b.textContent === text);
const press = (text) => named(text).click();
const opener = () => page.player.drawer.openers.find((made) => made.dataset.tab === "video");

async function begin() {
  page.player.drawer.open("video");
  await answer({ state: "none" });
  press("Annotated video");
  await answer(RUNNING);
}

test("nothing is asked for until the drawer shows it", async () => {
  assert.equal(asked().length, 0);
  page.player.drawer.open("video");
  assert.equal(asked().at(-1).address, `${MADE}/hash`);
  await answer({ state: "none" });
  assert.deepEqual(buttons(), ["Annotated video"]);
});

test("it is begun with the rule that is shown, and followed until it is there", async () => {
  await begin();
  assert.deepEqual(asked("POST")[0].body, { rule: page.player.model.rule });
  assert.deepEqual(buttons(), ["Cancel"]);
  assert.match(place.textContent, /25 of 100 frames, 6\.00 s left/);
  page.player.drawer.close();
  assert.equal(opener().textContent, "Video 25 %");
  page.clock.tick(700);
  await answer({ ...RUNNING, state: "done", bytes: 12_340_000 });
  assert.equal(opener().textContent, "Video");
  assert.deepEqual(buttons(), ["Download annotated video (12.3 MB)", "Make it again"]);
  const { length } = asked();
  page.clock.tick(5000);
  assert.equal(asked().length, length, "what is done is not asked for again");
});

test("it is cancelled, and what fails says why", async () => {
  await begin();
  press("Cancel");
  assert.equal(asked("DELETE")[0].address, `${MADE}/hash`);
  await answer({ state: "cancelled" });
  assert.match(place.textContent, /Cancelled/);
  press("Annotated video");
  await answer({ state: "failed", error: "x.mp4 cannot be written: No space left on device" });
  assert.match(place.textContent, /not made: x\.mp4 cannot be written: No space left/);
  assert.deepEqual(buttons(), ["Annotated video"]);
});

test("one of another rule is not offered", async () => {
  page.player.drawer.open("video");
  await answer({ state: "done", bytes: 5 });
  page.player.model.edit(({ debounce }) => {
    debounce.enter_threshold = 0.77;
  });
  assert.ok(place.querySelectorAll("button").every((made) => made.disabled));
  const other = makeAnswer([], { rule_hash: "other" });
  await page.server.answer(page.replays().at(-1), other);
  assert.equal(asked().at(-1).address, `${MADE}/other`);
  await page.server.answer(asked().at(-1), { rule_hash: "other", state: "none" });
  assert.deepEqual(buttons(), ["Annotated video"]);
});

test("how far it is, in words", () => {
  assert.match(progressOf({ state: "queued" }), /waits/);
  assert.equal(progressOf({ state: "running", done: 1250, total: null }), "1,250 frames");
});
