// What a page shows after a failed request, an older rule or a restart of the app.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeAnswer, makeData, makeSighting } from "./builders.js";
import { settle } from "./fake_server.js";
import { PlayerPage } from "./player_page.js";

let page;
let model;
beforeEach(async () => {
  page = await PlayerPage.open();
  model = page.player.model;
});

const one = (selector) => page.player.root.querySelector(selector);
const health = () => page.server.to("/api/health");
const lastReplay = () => page.replays().at(-1);
const told = () =>
  page.reported.filter(([name]) => name === "rule").map(([, text]) => JSON.parse(text));

const enterAt = (value) =>
  model.edit(({ debounce }) => {
    debounce.enter_threshold = value;
  });

async function refuse(request, status, text) {
  await page.server.answer(request, text, { status });
}

async function loseApp() {
  enterAt(0.6);
  lastReplay().reject(new Error("connection refused"));
  await settle();
  health().at(-1).reject(new Error("connection refused"));
  await settle();
}

// ---- nothing of an older rule or another run is left

test("when the figures of a rule are refused, none of the rule before are left", async () => {
  page.player.drawer.open("decisions");
  enterAt(0.6);
  await refuse(lastReplay(), 400, "no such label");
  assert.match(one(".side").textContent, /no such label/);
  assert.equal(model.answer, null);
  for (const place of [".rows table", ".counts", ".rates", ".truth", ".why"]) {
    assert.equal(one(place).textContent, "", place);
  }
  assert.equal(page.player.root.dataset.sightings, undefined);
  assert.equal(page.player.root.dataset.ruleHash, undefined);
  assert.deepEqual(model.sightings(), []);
});

test("an explanation that cannot be had leaves none of the rule before", async () => {
  page.clock.tick(200);
  await page.server.answer(page.server.to("/api/explain").at(-1), { state: "open", reason: "x" });
  assert.match(one(".why").textContent, /open/);
  page.showFrame(2);
  page.player.stage.video.paused = true;
  page.showFrame(3);
  page.clock.tick(200);
  await refuse(page.server.to("/api/explain").at(-1), 404, "gone");
  assert.equal(one(".why").textContent, "");
});

test("curves for other zones are not drawn as if they were of these", async () => {
  const corner = [
    [0, 0],
    [0.5, 0],
    [0.5, 0.5],
  ];
  assert.ok(model.curves.of("cat", 0, 10e6));
  model.edit(({ box_filter }) => box_filter.include.push(corner));
  model.curves.want(["cat"], 0, 10e6);
  await refuse(page.server.to("/api/runs/A/curves").at(-1), 404, "gone");
  assert.equal(model.curves.of("cat", 0, 10e6), undefined);
});

test("figures look old from a change of the rule until its own have come", async () => {
  const isStale = () => page.player.root.classList.contains("stale");
  assert.equal(isStale(), false);
  enterAt(0.6);
  enterAt(0.7);
  assert.equal(isStale(), true);
  await page.server.answer(lastReplay(), makeAnswer());
  assert.equal(isStale(), true, "these are of the change before the last");
  await page.server.answer(lastReplay(), makeAnswer());
  assert.equal(isStale(), false);
});

// ---- what is saved is what is shown

test("Python is told what is shown, and as soon as the rule changes that nothing is", async () => {
  const changed = async (value, result) => {
    enterAt(value);
    model.emit("released");
    await page.server.answer(lastReplay(), makeAnswer([], { result }));
  };
  await changed(0.6, "first");
  await changed(0.7, "second");
  const said = told().map(({ rule, result }) => [rule.default.debounce.enter_threshold, result]);
  assert.deepEqual(said.slice(-4), [
    [0.6, null],
    [0.6, "first"],
    [0.7, null],
    [0.7, "second"],
  ]);
});

test("while a slider is dragged Python is told nothing", async () => {
  const before = told().length;
  enterAt(0.6);
  await page.server.answer(lastReplay(), makeAnswer([], { result: "while dragging" }));
  assert.equal(told().length, before);
  model.emit("released");
  assert.equal(told().at(-1).result, "while dragging");
});

test("Python is told when what was shown is there no more", async () => {
  enterAt(0.6);
  model.emit("released");
  await page.server.answer(lastReplay(), makeAnswer([], { result: "shown" }));
  assert.equal(told().at(-1).result, "shown");
  model.replay();
  await refuse(lastReplay(), 404, "the run is gone");
  assert.equal(told().at(-1).result, null);
});

// ---- the app is away, or started anew

test("while the app is away the page says so, and goes on when it is back", async () => {
  await loseApp();
  assert.match(one(".message").textContent, /does not answer/);
  assert.match(one(".side").textContent, /does not answer/);
  assert.equal(model.answer, null);
  page.clock.tick(2000);
  await page.server.answer(health().at(-1), { status: "ok" });
  assert.equal(lastReplay().body.rule.default.debounce.enter_threshold, 0.6);
  await page.server.answer(lastReplay(), makeAnswer([makeSighting("cat", 1, 2)]));
  assert.equal(page.player.root.dataset.sightings, 1);
  assert.equal(model.error, null);
  assert.equal(one(".message").textContent, "");
  assert.equal(globalThis.location.loads, 0);
});

test("a rule that was moved while the app was away stays, and the app is told", () => {
  enterAt(0.6);
  model.emit("released");
  page.say(makeData("A", { session: "after the start", rule_n: 2 }));
  assert.equal(model.rule.default.debounce.enter_threshold, 0.6);
  const { rule, rule_n } = told().at(-1);
  assert.deepEqual([rule.default.debounce.enter_threshold, rule_n], [0.6, 2]);
});

test("it looks again until then, once at a time", async () => {
  await loseApp();
  for (let i = 0; i < 3; i++) {
    page.clock.tick(2000);
    health().at(-1).reject(new Error("connection refused"));
    await settle();
  }
  assert.equal(health().length, 4);
});

test("a page that is not let in says what to do, and loads itself again when it is", async () => {
  enterAt(0.6);
  await refuse(lastReplay(), 403, "no valid token");
  await refuse(health().at(-1), 403, "no valid token");
  assert.match(one(".message").textContent, /Open the address that it printed/);
  assert.equal(page.player.root.dataset.sightings, undefined);
  page.clock.tick(2000);
  await refuse(health().at(-1), 403, "no valid token");
  assert.equal(globalThis.location.loads, 0);
  page.clock.tick(2000);
  await page.server.answer(health().at(-1), { status: "ok" });
  assert.equal(globalThis.location.loads, 1);
});

test("what the app itself refuses is said as it says it", async () => {
  enterAt(0.6);
  await refuse(lastReplay(), 403, "the file may not be read");
  await page.server.answer(health().at(-1), { status: "ok" });
  assert.match(one(".side").textContent, /the file may not be read/);
  assert.equal(globalThis.location.loads, 0);
});

test("a run that is opened while the app is away comes when it is back", async () => {
  await loseApp();
  page.say(makeData("B"));
  page.server.to("/api/runs/B/overview").at(-1).reject(new Error("connection refused"));
  await settle();
  assert.deepEqual(model.labels, []);
  page.clock.tick(2000);
  await page.server.answer(health().at(-1), { status: "ok" });
  assert.equal(page.server.to("/api/runs/B/overview").length, 2);
});

// ---- why a clip is not played

test("only a clip that the browser cannot play is said to be one", async () => {
  page.player.stage.video.dispatchEvent(new Event("error"));
  const [asked] = page.server.to("/clips/A.mp4");
  await page.server.answer(asked, "");
  assert.match(one(".message").textContent, /cannot play the clip/);
});

test("of a clip that cannot be had the app says why", async () => {
  page.player.stage.video.dispatchEvent(new Event("error"));
  await refuse(page.server.to("/clips/A.mp4")[0], 404, "the video file is missing");
  assert.match(one(".message").textContent, /the video file is missing/);
  assert.doesNotMatch(one(".message").textContent, /cannot play/);
});

test("a clip that broke off goes on where it was", async () => {
  page.showFrame(4);
  page.player.stage.video.dispatchEvent(new Event("error"));
  page.server.to("/clips/A.mp4")[0].reject(new Error("connection refused"));
  await settle();
  health().at(-1).reject(new Error("connection refused"));
  await settle();
  assert.match(one(".message").textContent, /does not answer/);
  page.player.stage.video.currentTime = 0;
  page.clock.tick(2000);
  await page.server.answer(health().at(-1), { status: "ok" });
  assert.equal(page.player.stage.video.currentTime.toFixed(4), "4.0005");
});

test("why the clip of one run is not played is not said of the next", async () => {
  page.player.stage.video.dispatchEvent(new Event("error"));
  const [asked] = page.server.to("/clips/A.mp4");
  page.say(makeData("B"));
  await page.server.answer(asked, "");
  assert.match(one(".message").textContent, /Loading/);
});

// ---- where a run is opened

test("a question begins where it says, whatever was sought before", () => {
  const ask = {
    ...{ n: 1, label: "cat", start_us: 2_000_000, end_us: 3_000_000, origin: "queue" },
    ...{ media_id: "media-of-A", blind: false, text: "", title: "Question" },
  };
  page.say(makeData("A", { ask, seek: { t: 7, n: 5 } }));
  assert.equal(page.player.stage.target_s, 2);
});
