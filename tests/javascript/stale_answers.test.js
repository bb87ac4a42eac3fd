// What was asked for one run must not be shown with another.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeAnswer, makeData, makeLog, makeOverview, makeSighting } from "./builders.js";
import { component } from "./components.js";
import { FakeServer, settle } from "./fake_server.js";

const { Model } = await component("player/model.js");

let server;
beforeEach(() => {
  server = new FakeServer();
});

const logOf = (run) => server.to(`/api/runs/${run}/overview`).at(-1);
const replayOf = (run) => server.to("/api/replay").findLast((r) => r.body.run_id === run);

test("a slow log of run A does not overwrite that of run B", async () => {
  const model = new Model();
  model.load(makeData("A"));
  model.load(makeData("B"));
  await server.answer(logOf("B"), makeOverview(makeLog("B", [[1, "dog", 0.9]])));
  await server.answer(logOf("A"), makeOverview(makeLog("A", [[1, "cat", 0.9]])));
  assert.equal(model.log.run_id, "B");
  assert.deepEqual(
    model.labels.map((s) => s.name),
    ["dog"],
  );
});

test("nor does one whose body was still under way", async () => {
  const model = new Model();
  model.load(makeData("A"));
  const overview = makeOverview(makeLog("A", []));
  const sendRest = await server.answer(logOf("A"), overview, { holdBody: true });
  model.load(makeData("B"));
  await server.answer(logOf("B"), makeOverview(makeLog("B", [])));
  await sendRest();
  assert.equal(model.log.run_id, "B");
});

test("a refusal of run A is not shown with run B", async () => {
  const model = new Model();
  model.load(makeData("A"));
  model.load(makeData("B"));
  await server.answer(logOf("B"), makeOverview(makeLog("B", [])));
  await server.answer(logOf("A"), "run A is gone", { status: 404 });
  assert.equal(model.error, null);
});

test("late sightings of run A are not shown with run B", async () => {
  const model = new Model();
  model.load(makeData("A"));
  await server.answer(logOf("A"), makeOverview(makeLog("A", [[1, "cat", 0.9]])));
  const replayA = replayOf("A");
  model.load(makeData("B"));
  await server.answer(logOf("B"), makeOverview(makeLog("B", [[1, "dog", 0.9]])));
  await server.answer(replayA, makeAnswer([makeSighting("cat", 1, 2)]));
  assert.equal(model.answer, null);
  await server.answer(replayOf("B"), makeAnswer([makeSighting("dog", 3, 4)]));
  assert.deepEqual(
    model.answer.sightings.map((s) => s.label),
    ["dog"],
  );
});

test("when run B opens, nothing of run A is left", async () => {
  const model = new Model();
  model.load(makeData("A"));
  await server.answer(logOf("A"), makeOverview(makeLog("A", [[1, "cat", 0.9]])));
  await server.answer(replayOf("A"), makeAnswer([makeSighting("cat", 1, 2)]));
  model.scope = "cat";
  model.fail("something about A");
  model.load(makeData("B"));
  await settle();
  assert.deepEqual(
    {
      log: model.log,
      answer: model.answer,
      labels: model.labels,
      scope: model.scope,
      error: model.error,
    },
    { log: null, answer: null, labels: [], scope: "", error: null },
  );
});
