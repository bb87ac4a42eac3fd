// What people marked on one clip must not be shown with another.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeAnnotation, makeData, makeLog, makeOverview } from "./builders.js";
import { component } from "./components.js";
import { make, openPage, playerPage } from "./fake_page.js";
import { FakeServer } from "./fake_server.js";

const { default: show } = await component("player/main.js");

let server, parentElement;
beforeEach(() => {
  openPage();
  server = new FakeServer();
  parentElement = make("div", "", playerPage());
});

const open = (data) => {
  show({ data, parentElement, setStateValue: () => {} });
};
const annotationsOf = (run, method) => server.to(`/api/media/media-of-${run}/annotations`, method);
const idsShown = () => parentElement.player.annotations.records.map((r) => r.id);

async function openWithLog(run) {
  open(makeData(run));
  const overview = makeOverview(makeLog(run, [[1, "cat", 0.9]]));
  await server.answer(server.to(`/api/runs/${run}/overview`).at(-1), overview);
}

const records = (...ids) => ({
  records: ids.map((id) => makeAnnotation(id, 0, 1_000_000)),
  annotators: ["me"],
});

test("late annotations of clip A are not shown with clip B", async () => {
  await openWithLog("A");
  await openWithLog("B");
  await server.answer(annotationsOf("B").at(-1), records("b1"));
  await server.answer(annotationsOf("A").at(-1), records("a1"));
  assert.deepEqual(idsShown(), ["b1"]);
});

test("nor are those whose body was still under way", async () => {
  await openWithLog("A");
  const sendRest = await server.answer(annotationsOf("A").at(-1), records("a1"), {
    holdBody: true,
  });
  await openWithLog("B");
  await server.answer(annotationsOf("B").at(-1), records("b1"));
  await sendRest();
  assert.deepEqual(idsShown(), ["b1"]);
});

test("nor are those that come before clip B has asked for its own", async () => {
  await openWithLog("A");
  open(makeData("B"));
  await server.answer(annotationsOf("A").at(-1), records("a1"));
  assert.deepEqual(idsShown(), []);
});

test("those of clip A are gone as soon as clip B opens", async () => {
  await openWithLog("A");
  await server.answer(annotationsOf("A").at(-1), records("a1"));
  open(makeData("B"));
  assert.deepEqual(idsShown(), []);
});

test("what was marked on clip A and is saved late stays with clip A", async () => {
  await openWithLog("A");
  await server.answer(annotationsOf("A", "GET").at(-1), records());
  parentElement.player.annotations.change([makeAnnotation("a1", 0, 1_000_000)], []);
  await openWithLog("B");
  await server.answer(annotationsOf("B", "GET").at(-1), records("b1"));
  const [saved] = annotationsOf("A", "POST");
  assert.deepEqual(
    saved.body.add.map((r) => r.id),
    ["a1"],
  );
  await server.answer(saved, records("a1"));
  assert.deepEqual(idsShown(), ["b1"]);
});

test("two runs of one clip share its annotations", async () => {
  await openWithLog("A");
  open(makeData("B", { media_id: "media-of-A" }));
  await server.answer(annotationsOf("A").at(-1), records("a1"));
  await server.answer(server.to("/api/runs/B/overview").at(-1), makeOverview(makeLog("B", [])));
  assert.deepEqual(idsShown(), ["a1"]);
  assert.equal(annotationsOf("A").length, 1);
});

test("the table, the reasons and the boxes of run A are gone as soon as run B opens", async () => {
  await openWithLog("A");
  const { root } = parentElement.player;
  root.querySelector(".why").textContent = "Why, cat";
  root.dataset.sightings = "1";
  parentElement.player.stage.loop = [1, 2];
  open(makeData("B"));
  assert.equal(root.querySelector(".why").textContent, "");
  assert.equal(root.querySelector(".rows table").children.length, 0);
  assert.equal(root.dataset.sightings, undefined);
  assert.equal(parentElement.player.stage.loop, null);
  assert.equal(Number(root.querySelector(".overlay").dataset.boxes), 0);
});

test("a frame of clip A that is presented after B opened does not set B's clock", async () => {
  open(makeData("A"));
  open(makeData("B", { browser_offset_us: null }));
  const { video } = parentElement.player.stage;
  video.readyState = 0; // nothing of B is loaded yet
  video.showFrame(5);
  assert.equal(server.to("/api/media/media-of-B/offset").length, 0);
  video.readyState = 2;
  video.showFrame(0.04);
  assert.deepEqual(server.to("/api/media/media-of-B/offset")[0].body, { offset_us: 40_000 });
});
