import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeAnnotation, makeSighting } from "./builders.js";
import { component } from "./components.js";
import { openPage } from "./fake_page.js";
import { FakeServer, settle } from "./fake_server.js";

const { Annotations } = await component("player/annotations.js");
const { verdictChange, verdictOn } = await component("player/verdicts.js");

let server;
let annotations;
beforeEach(async () => {
  openPage();
  server = new FakeServer();
  annotations = new Annotations("me");
  annotations.open("m");
});

const ids = () => annotations.records.map((record) => record.id);
const saves = () => server.to("/api/media/m/annotations", "POST");
const loads = () => server.to("/api/media/m/annotations", "GET");
const add = (...marks) => annotations.change(marks, []);

test("a change is shown before the server has kept it", () => {
  add(makeAnnotation("a", 0, 10));
  assert.deepEqual(ids(), ["a"]);
});

test("a new record gets an id and the annotator", async () => {
  add({ kind: "annotation", label: "cat", start_us: 0, end_us: 10 });
  await settle();
  const [record] = saves()[0].body.add;
  assert.match(record.id, /^[0-9a-f]{16}$/);
  assert.equal(record.annotator, "me");
});

test("what the server keeps counts", async () => {
  add(makeAnnotation("a", 0, 10));
  await settle();
  await server.answer(saves()[0], { records: [makeAnnotation("a", 0, 9)] });
  assert.equal(annotations.records[0].end_us, 9);
});

test("changes are sent one at a time, in their order", async () => {
  add(makeAnnotation("a", 0, 10));
  add(makeAnnotation("b", 20, 30));
  await settle();
  assert.equal(saves().length, 1);
  await server.answer(saves()[0], { records: [makeAnnotation("a", 0, 10)] });
  assert.deepEqual(ids(), ["a", "b"], "an older answer does not take back what came since");
  assert.equal(saves()[1].body.add[0].id, "b");
});

test("undo takes back the last change first", async () => {
  add(makeAnnotation("a", 0, 10));
  add(makeAnnotation("b", 20, 30));
  assert.equal(annotations.undo(), true);
  assert.deepEqual(ids(), ["a"]);
  assert.equal(annotations.undo(), true);
  assert.deepEqual(ids(), []);
  assert.equal(annotations.undo(), false);
});

test("undo brings back what was erased and how it was before it was edited", () => {
  annotations.records = [makeAnnotation("a", 0, 10), makeAnnotation("b", 20, 30)];
  annotations.change([], ["a"]);
  annotations.change([makeAnnotation("b", 21, 30)], []);
  assert.deepEqual(ids(), ["b"]);
  annotations.undo();
  assert.equal(annotations.records[0].start_us, 20);
  annotations.undo();
  assert.deepEqual(ids().sort(), ["a", "b"]);
});

test("a change that is refused is taken back, said, and not undone", async () => {
  const said = [];
  annotations.addEventListener("saved", (event) => said.push(event.detail));
  add(makeAnnotation("a", 0, 10));
  await settle();
  await server.answer(saves()[0], "no such media", { status: 404 });
  assert.deepEqual(said, ["no such media"]);
  await server.answer(loads()[0], { records: [] });
  assert.deepEqual(ids(), []);
  assert.equal(annotations.undo(), false);
});

test("a change that could not be sent is said, and the next one is sent", async () => {
  const said = [];
  annotations.addEventListener("saved", (event) => said.push(event.detail));
  add(makeAnnotation("a", 0, 10));
  add(makeAnnotation("b", 0, 10));
  await settle();
  saves()[0].reject(new Error("connection refused"));
  await settle();
  assert.deepEqual(said, ["not saved: connection refused"]);
  assert.equal(saves().length, 2);
});

test("a slow first answer does not take back what was marked meanwhile", async () => {
  annotations.load();
  add(makeAnnotation("a", 0, 10));
  await server.answer(loads()[0], { records: [] });
  assert.deepEqual(ids(), ["a"]);
});

test("they are asked for once a clip", async () => {
  annotations.load();
  annotations.load();
  assert.equal(loads().length, 1);
});

test("progress counts annotations and what was watched, once where it overlaps", () => {
  const watched = { kind: "coverage", origin: "independent" };
  annotations.records = [
    makeAnnotation("a", 0, 10),
    makeAnnotation("b", 0, 10, { label: "dog" }),
    makeAnnotation("c", 0, 50, watched),
    makeAnnotation("d", 25, 75, watched),
  ];
  const clip = { first_pts_us: 0, end_us: 100 };
  assert.deepEqual(annotations.progress("cat", clip), { marks: 1, percent: 75 });
  assert.deepEqual(annotations.progress("dog", clip), { marks: 1, percent: 0 });
});

const sighting = makeSighting("cat", 1, 2);
const accepted = makeAnnotation("a", 1_000_000, 2_000_000, { origin: "accepted" });

test("an accepted sighting becomes an annotation", () => {
  const { add: added, remove } = verdictChange(annotations, sighting, "accepted");
  assert.deepEqual(
    added.map(({ kind, start_us, end_us }) => [kind, start_us, end_us]),
    [
      ["verdict", 1_000_000, 2_000_000],
      ["annotation", 1_000_000, 2_000_000],
    ],
  );
  assert.deepEqual(remove, []);
});

test("not where one is already, but another label's does not matter", () => {
  annotations.records = [makeAnnotation("a", 1_500_000, 3_000_000)];
  assert.equal(verdictChange(annotations, sighting, "accepted").add.length, 1);
  annotations.records = [makeAnnotation("a", 1_500_000, 3_000_000, { label: "dog" })];
  assert.equal(verdictChange(annotations, sighting, "accepted").add.length, 2);
});

test("a verdict replaces the one before, with the annotation that came of it", () => {
  const verdict = { ...accepted, id: "v", kind: "verdict", verdict: "accepted" };
  annotations.records = [accepted, verdict, { ...verdict, id: "w", annotator: "you" }];
  const { add: added, remove } = verdictChange(annotations, sighting, "rejected");
  assert.deepEqual(
    added.map((record) => record.verdict),
    ["rejected"],
  );
  assert.deepEqual(remove.sort(), ["a", "v"]);
  assert.equal(verdictOn(annotations, sighting), "accepted");
  assert.equal(verdictOn(annotations, makeSighting("cat", 5, 6)), undefined);
});

test("a sighting that is accepted again keeps one annotation", () => {
  annotations.records = [accepted];
  const { add: added, remove } = verdictChange(annotations, sighting, "accepted");
  assert.equal(added.length, 2);
  assert.deepEqual(remove, ["a"]);
});

test("changes wait for the one before, also when its answer is slow", async () => {
  add(makeAnnotation("a", 0, 10));
  await settle();
  add(makeAnnotation("b", 0, 10));
  await settle();
  assert.equal(saves().length, 1);
});
