// Curves of the whole clip, or finer ones of the stretch that the timeline shows.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeCurves, makeData, makeLog, makeOverview } from "./builders.js";
import { component } from "./components.js";
import { FakeClock } from "./fake_clock.js";
import { FakeServer } from "./fake_server.js";

const { Model } = await component("player/model.js");

const ROWS = [
  [0, "cat", 0.9],
  [2, "cat", 0.4],
  [2, "dog", 0.7],
  [2, "cat", 0.6],
];
const ZONE = [
  [0, 0],
  [1, 0],
  [1, 1],
];
const WHOLE = [0, 10_000_000];

let server;
let model;
let log;
beforeEach(async () => {
  new FakeClock();
  server = new FakeServer();
  model = new Model();
  log = makeLog("A", ROWS, { failed: { 1: "no frame" }, missing: { cat: [5] } });
});

const asked = () => server.to("/api/runs/A/curves");

async function open(changes = {}) {
  model.load(makeData("A"));
  const overview = { ...makeOverview(log), ...changes };
  await server.answer(server.to("/api/runs/A/overview")[0], overview);
}

function shown(label, stretch = WHOLE) {
  const { high } = model.curves.of(label, ...stretch);
  return [...high].map((score) => (Number.isNaN(score) ? null : Number(score.toFixed(2))));
}

test("the curves of a short clip come with its overview, nothing finer is asked", async () => {
  await open();
  assert.deepEqual(shown("cat"), [0.9, null, 0.6, 0, 0, null, 0, 0, 0, 0]);
  assert.deepEqual(shown("dog"), [0, null, 0.7, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...model.curves.of("cat", ...WHOLE).state], [0, 1, 0, 0, 0, 2, 0, 0, 0, 0]);
  model.curves.want(["cat", "dog", "otter"], ...WHOLE);
  model.curves.want(["cat", "dog"], 4_000_000, 5_000_000);
  assert.equal(asked().length, 0);
});

test("where the whole has more than a screen shows, a stretch of it is asked for", async () => {
  await open({ is_exact: false });
  model.curves.want(["cat"], 4_000_000, 5_000_000);
  const [request] = asked();
  assert.deepEqual(request.body.labels, ["cat"]);
  const { from_us, to_us } = request.body;
  assert.ok(from_us > 0 && from_us <= 4_000_000 && to_us >= 5_000_000 && to_us < 10_000_000);
  await server.answer(request, makeCurves(makeLog("A", [[4, "cat", 0.8]]), ["cat"]));
  assert.deepEqual(shown("cat", [4_000_000, 5_000_000])[4], 0.8);
  assert.equal(shown("cat")[4], 0, "the whole stays");
  model.curves.want(["cat"], 4_010_000, 5_010_000);
  assert.equal(asked().length, 1, "it is of the same stretch");
});

test("a stretch holds what is shown, and is not much longer", async () => {
  await open();
  for (let from = 0; from < 9_000_000; from += 170_000) {
    for (const span of [20_000, 300_000, 1_000_000]) {
      const { from_us, to_us } = model.curves.stretch(from, from + span);
      assert.ok(from_us <= from && to_us >= from + span);
      assert.ok(to_us - from_us <= 2.7 * span + 2);
    }
  }
  assert.equal(model.curves.stretch(1_000_000, 9_000_000).name, "all");
});

test("a filter has curves of its own; until they are there the others are drawn", async () => {
  await open();
  model.edit((rule) => rule.box_filter.exclude.push(ZONE));
  assert.equal(shown("cat")[0], 0.9);
  model.curves.want(["cat", "dog"], ...WHOLE);
  assert.deepEqual(asked()[0].body.labels, ["cat", "dog"]);
  assert.deepEqual(asked()[0].body.rule.default.box_filter.exclude, [ZONE]);
  await server.answer(asked()[0], makeCurves(makeLog("A", [[0, "cat", 0.2]]), ["cat", "dog"]));
  assert.equal(shown("cat")[0], 0.2);
  model.edit((rule) => rule.box_filter.exclude.pop());
  assert.equal(shown("cat")[0], 0.9);
});

test("one question at a time; the newest stretch is asked for by the next drawing", async () => {
  await open({ is_exact: false });
  let redrawn = 0;
  model.addEventListener("curves", () => redrawn++);
  model.curves.want(["cat"], 4_000_000, 5_000_000);
  model.curves.want(["cat"], 7_000_000, 8_000_000);
  assert.equal(asked().length, 1);
  await server.answer(asked()[0], makeCurves(log, ["cat"]));
  assert.equal(redrawn, 1);
  model.curves.want(["cat"], 7_000_000, 8_000_000);
  assert.equal(asked().length, 2);
});

test("curves of an older log are drawn until newer ones come", async () => {
  await open({ curves: ["cat"] });
  model.setLog({ ...makeOverview(makeLog("A", [...ROWS, [4, "cat", 0.8]])), curves: [] });
  assert.equal(shown("cat")[4], 0);
  model.curves.want(["cat"], ...WHOLE);
  await server.answer(asked()[0], makeCurves(makeLog("A", [[4, "cat", 0.8]]), ["cat"]));
  assert.equal(shown("cat")[4], 0.8);
  model.curves.want(["cat"], ...WHOLE);
  assert.equal(asked().length, 1);
});

test("a refusal is said, and not asked for again at once", async () => {
  await open({ is_exact: false });
  model.curves.want(["cat"], 4_000_000, 5_000_000);
  await server.answer(asked()[0], "the log is damaged", { status: 400 });
  assert.equal(model.error, "the log is damaged");
  model.curves.want(["cat"], 4_000_000, 5_000_000);
  assert.equal(asked().length, 1);
});

test("labels are listed with their peaks, the strongest first", async () => {
  await open();
  assert.deepEqual(
    model.log.strongest().map(({ name, peak }) => [name, Number(peak.toFixed(2))]),
    [
      ["cat", 0.9],
      ["dog", 0.7],
    ],
  );
});

test("labels that were never seen are listed if they were asked for or are few", async () => {
  const labels = ["a", "b", "c", "d", "e"];
  const names = (changes) => {
    model.log = null;
    model.setLog(makeOverview(makeLog("A", [], changes)));
    return model.log.strongest().map(({ name }) => name);
  };
  await open();
  assert.deepEqual(names({ labels }), []);
  assert.deepEqual(names({ labels, prompted: true }), labels);
  assert.deepEqual(names({ labels: labels.slice(0, 4) }), labels.slice(0, 4));
});
