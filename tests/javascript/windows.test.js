// Samples and boxes come by the minute, as the playhead needs them.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeData, makeLog, makeOverview, makeWindow } from "./builders.js";
import { component } from "./components.js";
import { FakeClock } from "./fake_clock.js";
import { FakeServer, settle } from "./fake_server.js";

const { Model } = await component("player/model.js");

const MINUTE_US = 60_000_000;
const ROWS = [
  [0, "cat", 0.9, [0, 0, 10, 10]],
  [2, "cat", 0.4, [1, 1, 11, 11]],
  [2, "dog", 0.7, [2, 2, 12, 12]],
  [9, "dog", 0.5, [4, 4, 14, 14]],
];

let server;
let model;
let log;
beforeEach(() => {
  new FakeClock();
  server = new FakeServer();
  model = new Model();
});

const asked = () =>
  server
    .to("/api/runs/A/window")
    .map(({ address }) => Number(/from_us=(-?\d+)/.exec(address)[1]) / MINUTE_US);

async function open(rows = ROWS, changes = {}, data = {}) {
  log = makeLog("A", rows, changes);
  model.load(makeData("A", data));
  await server.answer(server.to("/api/runs/A/overview").at(-1), makeOverview(log));
}

async function answerAll() {
  let waiting;
  do {
    waiting = server.to("/api/runs/A/window").filter((r) => !r.isAnswered);
    for (const request of waiting) {
      request.isAnswered = true;
      const from_us = Number(/from_us=(-?\d+)/.exec(request.address)[1]);
      await server.answer(request, makeWindow(log, from_us, from_us + MINUTE_US));
    }
  } while (waiting.length);
}

async function sampleAt(pts_us) {
  for (let i = 0; i < 3; i++) {
    model.windows.sampleAt(pts_us);
    await answerAll();
  }
  return model.windows.sampleAt(pts_us);
}

test("the detections of a sample are all of it and no others", async () => {
  await open();
  assert.equal(model.windows.sampleAt(2_000_000), undefined, "not known yet");
  const found = (await sampleAt(2_000_000)).detections();
  assert.deepEqual(
    found.map((d) => [d.label, Number(d.confidence.toFixed(2)), d.box]),
    [
      ["cat", 0.4, [1, 1, 11, 11]],
      ["dog", 0.7, [2, 2, 12, 12]],
    ],
  );
  assert.deepEqual((await sampleAt(1_000_000)).detections(), []);
  assert.deepEqual(
    (await sampleAt(9_500_000)).detections().map((d) => d.label),
    ["dog"],
  );
});

test("texts and reasons come with their samples", async () => {
  const more = { text: ["EXIT"], failed: { 3: "no frame" }, gated: { 4: "still" } };
  await open(ROWS.slice(0, 1), more);
  assert.equal((await sampleAt(0)).detections()[0].text, "EXIT");
  assert.equal((await sampleAt(3_000_000)).failed, "no frame");
  assert.equal((await sampleAt(4_000_000)).gated, "still");
  assert.equal((await sampleAt(5_000_000)).gated, undefined);
});

test("before the first sample there is none", async () => {
  await open(ROWS.slice(0, 1), { pts_us: [5_000_000] });
  assert.equal(await sampleAt(1_000_000), null);
  assert.equal(await model.windows.neighbour(1_000_000, 1), 5_000_000);
  assert.equal(await model.windows.neighbour(1_000_000, -1), null);
});

// A sample every 20 s for an hour; the one at 20 min is missing.
const HOUR = Array.from({ length: 180 }, (_, i) => i * 20_000_000).filter((t) => t !== 1200e6);

test("only the minute of the playhead and the one after it are fetched", async () => {
  await open([], { pts_us: HOUR }, { end_us: 3_600_000_000 });
  assert.equal((await sampleAt(130_000_000)).pts_us, 120_000_000);
  assert.deepEqual(asked(), [2, 3]);
  assert.equal((await sampleAt(185_000_000)).pts_us, 180_000_000);
  assert.deepEqual(asked(), [2, 3, 4]);
});

test("the last sample and its neighbours may lie in other windows", async () => {
  await open([], { pts_us: HOUR }, { end_us: 3_600_000_000 });
  const sample = await sampleAt(1_210_000_000);
  assert.deepEqual(
    [sample.before_us, sample.pts_us, sample.next_us],
    [1_160_000_000, 1_180_000_000, 1_220_000_000],
  );
});

test("to go by a sample waits for the windows that it takes", async () => {
  await open([], { pts_us: HOUR }, { end_us: 3_600_000_000 });
  const going = model.windows.neighbour(1_210_000_000, -1);
  await answerAll();
  await answerAll();
  assert.equal(await going, 1_160_000_000);
  await sampleAt(HOUR.at(-1));
  assert.equal(await model.windows.neighbour(HOUR.at(-1), 1), null, "there is no later one");
});

test("a playhead that is dragged gives up what it has passed", async () => {
  await open([], { pts_us: HOUR }, { end_us: 3_600_000_000 });
  for (const minute of [5, 17, 31]) model.windows.sampleAt(minute * MINUTE_US);
  assert.deepEqual(
    server.to("/api/runs/A/window").map((request) => request.signal.aborted),
    [true, true, false],
  );
  await settle();
  await server.answer(
    server.to("/api/runs/A/window").at(-1),
    makeWindow(log, 31 * MINUTE_US, 32 * MINUTE_US),
  );
  assert.equal(model.windows.sampleAt(31 * MINUTE_US).pts_us, 31 * MINUTE_US);
});

test("old windows are dropped by their bytes", async () => {
  await open();
  for (let number = 0; number < 100; number++) {
    model.windows.keep(number, { bytes: 1e6 });
  }
  assert.equal(model.windows.kept.size, 48);
  assert.ok(model.windows.kept.has(99));
});

test("of a run that goes on only its end is fetched again", async () => {
  const growing = { state: "running" };
  await open([], { pts_us: HOUR.slice(0, 8), ...growing }, { ...growing, end_us: 3_600_000_000 });
  await sampleAt(10_000_000);
  await sampleAt(130_000_000);
  assert.deepEqual(asked(), [0, 1, 2]);
  log = makeLog("A", [], { pts_us: HOUR.slice(0, 9), ...growing });
  model.setLog(makeOverview(log));
  assert.equal((await sampleAt(10_000_000)).pts_us, 0);
  assert.deepEqual(asked(), [0, 1, 2]);
  assert.equal((await sampleAt(170_000_000)).pts_us, 160_000_000);
  assert.deepEqual(asked(), [0, 1, 2, 2]);
});

test("what goes with a damaged part is not shown any more", async () => {
  await open([], { pts_us: HOUR.slice(0, 12), damaged: [] }, { end_us: 3_600_000_000 });
  await sampleAt(130_000_000);
  log = makeLog("A", [], { pts_us: HOUR.slice(0, 6), state: "interrupted" });
  model.setLog({ ...makeOverview(log), damaged: ["samples-00002.parquet"] });
  assert.equal((await sampleAt(130_000_000)).pts_us, 100_000_000);
});

test("while a prompt is added every window may change", async () => {
  await open(ROWS, { adding: ["owl"] });
  assert.equal((await sampleAt(0)).detections().length, 1);
  log = makeLog("A", [[0, "owl", 0.6], ...ROWS]);
  model.setLog(makeOverview(log));
  assert.equal(model.windows.sampleAt(0).detections().length, 1, "the old one until then");
  assert.equal((await sampleAt(0)).detections().length, 2);
});

test("what was fetched for one run is not shown with another", async () => {
  await open();
  model.windows.sampleAt(0);
  const [request] = server.to("/api/runs/A/window");
  model.load(makeData("B"));
  await server.answer(request, makeWindow(log));
  assert.equal(model.windows.kept.size, 0);
});

test("a window that is refused is said, and not asked for at every frame", async () => {
  await open();
  model.windows.sampleAt(0);
  await server.answer(server.to("/api/runs/A/window")[0], "no such run", { status: 404 });
  assert.equal(model.error, "no such run");
  model.windows.sampleAt(0);
  assert.equal(asked().length, 1);
});
