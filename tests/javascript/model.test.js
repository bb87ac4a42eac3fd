import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeAnswer, makeData, makeLog, makeOverview, makeSighting } from "./builders.js";
import { component } from "./components.js";
import { FakeClock } from "./fake_clock.js";
import { FakeServer } from "./fake_server.js";

const { Model } = await component("player/model.js");

let server;
let model;
let clock;
beforeEach(() => {
  clock = new FakeClock();
  server = new FakeServer();
  model = new Model();
});

const replays = () => server.to("/api/replay");

async function open(rows = [[1, "cat", 0.9]], changes = {}) {
  model.load(makeData("A"));
  const overview = makeOverview(makeLog("A", rows, changes));
  await server.answer(server.to("/api/runs/A/overview").at(-1), overview);
}

test("a log is asked to be replayed with the rule", async () => {
  await open();
  assert.equal(replays().length, 1);
  assert.deepEqual(replays()[0].body.rule, model.rule);
  assert.equal(replays()[0].body.run_id, "A");
});

test("while an answer is awaited, changes wait, and the newest is asked last", async () => {
  await open();
  for (const value of [0.6, 0.7, 0.8]) {
    model.edit(({ debounce }) => {
      debounce.enter_threshold = value;
    });
  }
  assert.equal(replays().length, 1);
  await server.answer(replays()[0], makeAnswer());
  assert.equal(replays().length, 2);
  assert.equal(replays()[1].body.rule.default.debounce.enter_threshold, 0.8);
  await server.answer(replays()[1], makeAnswer([makeSighting("cat", 1, 2)]));
  assert.equal(replays().length, 2);
  assert.equal(model.sightings().length, 1);
});

test("a rule that is loaded does not wait, and drops the answer for the one before", async () => {
  await open();
  const other = { ...model.rule, only: ["cat"] };
  model.setRule(other);
  assert.equal(replays().length, 2);
  await server.answer(replays()[1], makeAnswer([], { rule_hash: "new" }));
  await server.answer(replays()[0], makeAnswer([], { rule_hash: "old" }));
  assert.equal(model.answer.rule_hash, "new");
  other.only.push("dog");
  assert.deepEqual(model.rule.only, ["cat"], "the rule is the model's own");
});

test("a refused rule is said, and nothing of the last answer stays", async () => {
  await open();
  await server.answer(replays()[0], makeAnswer([], { rule_hash: "first" }));
  model.changed();
  await server.answer(replays()[1], "enter_threshold is below the floor", { status: 400 });
  assert.equal(model.error, "enter_threshold is below the floor");
  assert.equal(model.answer, null);
  model.changed();
  await server.answer(replays()[2], makeAnswer());
  assert.equal(model.error, null);
});

test("a change of one label's settings gives it a rule of its own", async () => {
  await open();
  model.scope = "cat";
  model.edit(({ debounce }) => {
    debounce.exit_frames = 9;
  });
  assert.equal(model.ruleOf("cat").debounce.exit_frames, 9);
  assert.equal(model.ruleOf("dog").debounce.exit_frames, 1);
  assert.equal(model.shownRule(), model.rule.labels.cat);
  model.followCommonRule("cat");
  assert.equal(model.ruleOf("cat"), model.rule.default);
});

test("the first click means only this label; further clicks add and take away", async () => {
  await open();
  const clicks = ["dog", "cat", "dog", "cat"].map((label) => {
    model.toggle(label);
    return model.rule.only;
  });
  assert.deepEqual(clicks, [["dog"], ["cat", "dog"], ["cat"], []]);
  assert.equal(model.isOn("cat"), false);
  model.showAll();
  assert.equal(model.isOn("cat"), true);
});

test("lanes are of at most twelve labels, and of the one that is annotated", async () => {
  const names = [..."abcdefghijklmn"];
  await open(names.map((name, i) => [i % 10, name, 0.9 - i / 20]));
  assert.deepEqual(model.trackLabels(), names.slice(0, 12));
  model.markedLabel = "n";
  assert.deepEqual(model.trackLabels(), [...names.slice(0, 12), "n"]);
  model.markedLabel = "b";
  assert.deepEqual(model.trackLabels(), names.slice(0, 12));
});

test("a label keeps its colour when others join", async () => {
  await open([[1, "cat", 0.5]]);
  const before = model.colour("cat");
  model.setLog(
    makeOverview(makeLog("A", [
      [0, "cat", 0.5],
      [1, "dog", 0.9],
    ])),
  );
  assert.equal(model.colour("cat"), before);
  assert.notEqual(model.colour("dog"), before);
});

test("the same log again changes nothing, and asks nothing", async () => {
  await open([[1, "cat", 0.5]], { state: "running" });
  const { log } = model;
  clock.tick(1500);
  const again = { ...makeOverview(makeLog("A", [[1, "cat", 0.9]])), version: log.version };
  await server.answer(server.to("/api/runs/A/overview").at(-1), again);
  assert.equal(model.log, log);
  assert.equal(replays().length, 1);
});

test("a run that goes on is asked again, and only as long as it is shown", async () => {
  const running = makeOverview(makeLog("A", [], { state: "running" }));
  model.load(makeData("A", { state: "running" }));
  const logs = () => server.to("/api/runs/A/overview");
  assert.equal(logs()[0].address, "/api/runs/A/overview");
  await server.answer(logs()[0], running);
  clock.tick(1500);
  assert.equal(logs().length, 2);
  await server.answer(logs()[1], running);
  model.load(makeData("B"));
  clock.tick(10_000);
  assert.equal(logs().length, 2);
  assert.equal(server.to("/api/runs/B/overview").length, 1);
});

test("a run that rests is asked more seldom, one that is done no more", async () => {
  const logs = () => server.to("/api/runs/A/overview");
  model.load(makeData("A", { state: "interrupted" }));
  await server.answer(logs()[0], makeOverview(makeLog("A", [], { state: "interrupted" })));
  clock.tick(4999);
  assert.equal(logs().length, 1);
  clock.tick(1);
  await server.answer(logs()[1], makeOverview(makeLog("A", [])));
  clock.tick(60_000);
  assert.equal(logs().length, 2);
});
