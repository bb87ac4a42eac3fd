// Marking what is true, by keys and by dragging.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeAnnotation, makeData } from "./builders.js";
import { settle } from "./fake_server.js";
import { PlayerPage } from "./player_page.js";

let page;
beforeEach(async () => {
  page = await PlayerPage.open();
});

test("M marks the start and the end, in either order", async () => {
  page.showFrame(4);
  page.press("m");
  page.showFrame(2.5);
  page.press("m");
  await settle();
  const [mark] = page.saves()[0].body.add;
  assert.deepEqual(
    [mark.kind, mark.label, mark.start_us, mark.end_us, mark.origin],
    ["annotation", "cat", 2_500_000, 4_000_000, "independent"],
  );
});

test("a mark that ends where it begins is not made, and Esc drops it", () => {
  page.showFrame(4);
  page.press("m");
  page.press("m");
  assert.match(page.message, /ends where it begins/);
  page.press("Escape");
  page.showFrame(5);
  page.press("m");
  assert.equal(page.records.length, 0);
});

test("a mark keeps the label with which it was begun", () => {
  page.showFrame(1);
  page.press("m");
  page.player.marking.choose("dog");
  page.showFrame(2);
  page.press("m");
  assert.equal(page.records[0].label, "cat");
});

test("C marks a watched stretch, V the whole clip once", () => {
  page.showFrame(1);
  page.press("c");
  page.showFrame(3);
  page.press("c");
  assert.deepEqual([page.player.root.dataset.watched, page.records[0].kind], [20, "coverage"]);
  page.press("v");
  assert.equal(page.player.root.dataset.watched, 100);
  page.press("v");
  assert.equal(page.records.length, 2);
  assert.match(page.message, /already/);
});

test("X erases one's own annotations of the label at the playhead, Z brings them back", () => {
  page.player.annotations.setRecords([
    makeAnnotation("mine", 1_000_000, 3_000_000),
    makeAnnotation("yours", 1_000_000, 3_000_000, { annotator: "you" }),
    makeAnnotation("dog", 1_000_000, 3_000_000, { label: "dog" }),
    makeAnnotation("later", 5_000_000, 6_000_000),
  ]);
  page.showFrame(2);
  page.press("x");
  assert.deepEqual(
    page.records.map((r) => r.id),
    ["yours", "dog", "later"],
  );
  page.press("z");
  assert.equal(page.records.length, 4);
  page.showFrame(9);
  page.press("x");
  assert.match(page.message, /No annotation of cat by me/);
});

test("Y accepts the sighting of the chosen label at the playhead", () => {
  page.showFrame(5.5);
  page.press("y");
  assert.match(page.message, /No sighting of cat here; dog is/);
  page.player.marking.choose("dog");
  page.press("y");
  assert.deepEqual(
    page.records.map((r) => [r.kind, r.label, r.rule_hash ?? null]),
    [
      ["verdict", "dog", "hash"],
      ["annotation", "dog", null],
    ],
  );
});

test("a question is answered with what was watched for it, and reported", async () => {
  const ask = {
    media_id: "media-of-A",
    label: "dog",
    start_us: 2_000_000,
    end_us: 4_000_000,
    origin: "queue",
    text: "near the threshold",
    title: "1 of 3",
    n: 7,
    blind: true,
  };
  page.say(makeData("A", { ask }));
  assert.equal(page.player.stage.target_s, 2);
  assert.equal(page.player.model.isBlind, true);
  assert.equal(page.player.marking.label, "dog");
  page.press("h");
  assert.equal(page.player.model.isBlind, true, "until it is answered");
  page.press("N", { shiftKey: true });
  await settle();
  const [coverage] = page.saves()[0].body.add;
  assert.deepEqual(
    [coverage.kind, coverage.start_us, coverage.end_us, coverage.origin],
    ["coverage", 2_000_000, 4_000_000, "queue"],
  );
  await page.server.answer(page.saves()[0], { records: page.saves()[0].body.add });
  assert.deepEqual(page.reported.at(-1), ["answered", "7"]);
  page.say(makeData("A", { ask: null }));
  assert.equal(page.player.model.isBlind, false);
});

test("an edge is taken at the foot of its lane, dragged, and can be undone", async () => {
  const { bands, timeline } = page.player;
  page.player.annotations.setRecords([
    makeAnnotation("a", 2_000_000, 4_000_000, { origin: "accepted" }),
    makeAnnotation("b", 6_000_000, 8_000_000, { annotator: "you" }),
  ]);
  const labels = page.player.model.trackLabels();
  const x = timeline.scale.x(4);
  assert.equal(bands.edgeAt(x, 18, labels), null, "not in the middle of a lane");
  assert.equal(bands.edgeAt(x + 7, 32, labels), null, "not so far away");
  assert.equal(bands.edgeAt(timeline.scale.x(6), 32, labels), null, "not another person's");
  const edge = bands.edgeAt(x + 5, 32, labels);
  assert.deepEqual([edge.id, edge.edge], ["a", "end_us"]);
  bands.startDrag(edge);
  bands.moveDrag(5);
  assert.equal(page.player.stage.target_s, 5);
  bands.endDrag();
  const [mark] = page.records.filter((r) => r.id === "a");
  assert.deepEqual(
    [mark.start_us, mark.end_us, mark.origin],
    [2_000_000, 5_000_000, "independent"],
  );
  page.press("z");
  assert.equal(page.records.find((r) => r.id === "a").end_us, 4_000_000);
});

test("who watches the whole clip while the queue asks was not led by it", () => {
  const ask = { media_id: "media-of-A", label: "cat", start_us: 0, end_us: 1, origin: "queue" };
  page.say(makeData("A", { ask }));
  page.press("v");
  assert.equal(page.records[0].origin, "independent");
});
