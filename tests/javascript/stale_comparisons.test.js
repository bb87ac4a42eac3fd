// Late answers in the comparison of two runs and of several phrases.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeLog } from "./builders.js";
import { component } from "./components.js";
import { duetPage, make, openPage, phrasesPage } from "./fake_page.js";
import { FakeServer } from "./fake_server.js";

const { default: showDuet } = await component("duet/duet.js");
const { default: showPhrases } = await component("phrases/phrases.js");

let server;
beforeEach(() => {
  openPage();
  server = new FakeServer();
});

const logOf = (run) => server.to(`/api/runs/${run}/log`).at(-1);
const clip = {
  media_id: "m",
  src: "/clip.mp4",
  src_wait: "",
  first_pts_us: 0,
  end_us: 10_000_000,
  browser_offset_us: 0,
  size_px: [100, 50],
  frame_rate: 10,
};

function side(run_id) {
  return {
    run_id,
    log_v: 1,
    name: run_id,
    label: "cat",
    enter_threshold: 0.5,
    exit_threshold: 0.5,
    sightings: [],
  };
}

function openDuet(parentElement, a, b) {
  const data = { ...clip, a: side(a), b: side(b), differences: [], seek: null };
  showDuet({ data, parentElement });
  return parentElement.duet;
}

test("a late log of a former side is not drawn as that of the new one", async () => {
  const parentElement = make("div", "", duetPage());
  openDuet(parentElement, "A", "A2");
  const sendRest = await server.answer(logOf("A"), makeLog("A", []), { holdBody: true });
  const duet = openDuet(parentElement, "B", "B2");
  await server.answer(logOf("B"), makeLog("B", []));
  await server.answer(logOf("B2"), makeLog("B2", []));
  await sendRest();
  assert.deepEqual(
    duet.sides.map((s) => s.log.run_id),
    ["B", "B2"],
  );
});

test("a late refusal of a former side is not shown", async () => {
  const parentElement = make("div", "", duetPage());
  openDuet(parentElement, "A", "A2");
  const late = logOf("A");
  const duet = openDuet(parentElement, "B", "B2");
  await server.answer(late, "run A is gone", { status: 404 });
  assert.equal(duet.note.textContent, "");
});

test("the comparison is ready only with the logs of both present sides", async () => {
  const parentElement = make("div", "", duetPage());
  openDuet(parentElement, "A", "A2");
  await server.answer(logOf("A"), makeLog("A", []));
  await server.answer(logOf("A2"), makeLog("A2", []));
  assert.equal(parentElement.duet.root.dataset.ready, "yes");
  openDuet(parentElement, "B", "B2");
  assert.equal(parentElement.duet.root.dataset.ready, undefined);
  assert.deepEqual(
    parentElement.duet.sides.map((s) => s.log),
    [null, null],
  );
});

function openPhrases(parentElement, run_id, phrases = ["cat", "dog"]) {
  const panels = phrases.map((phrase) => ({
    phrase,
    enter_threshold: 0.5,
    exit_threshold: 0.5,
    sightings: [],
    left_out: [],
  }));
  const data = { ...clip, run_id, log_v: 1, panels, rows: [], best: {}, truth: null, moments: [] };
  showPhrases({ data, parentElement });
  return parentElement.phrases;
}

const phraseLog = (run) =>
  makeLog(run, [
    [0, "cat", run === "A" ? 0.3 : 0.9],
    [0, "dog", 0.2],
  ]);

test("late scores of run A are not drawn in the panels of run B", async () => {
  const parentElement = make("div", "", phrasesPage());
  openPhrases(parentElement, "A");
  const late = logOf("A");
  const phrases = openPhrases(parentElement, "B");
  await server.answer(logOf("B"), phraseLog("B"));
  await server.answer(late, phraseLog("A"));
  assert.equal(phrases.log.run_id, "B");
  assert.equal(phrases.panels[0].score.textContent, "0.90");
});

test("from A to B and back to A before B's log has come, A is shown", async () => {
  const parentElement = make("div", "", phrasesPage());
  openPhrases(parentElement, "A");
  await server.answer(logOf("A"), phraseLog("A"));
  openPhrases(parentElement, "B");
  const late = logOf("B");
  const phrases = openPhrases(parentElement, "A");
  await server.answer(logOf("A"), phraseLog("A"));
  await server.answer(late, phraseLog("B"));
  assert.equal(phrases.log.run_id, "A");
  assert.equal(phrases.panels[0].score.textContent, "0.30");
  assert.equal(phrases.root.dataset.ready, "yes");
});

test("the scores of run A are gone as soon as run B opens", async () => {
  const parentElement = make("div", "", phrasesPage());
  openPhrases(parentElement, "A");
  await server.answer(logOf("A"), phraseLog("A"));
  const phrases = openPhrases(parentElement, "B");
  assert.equal(phrases.panels[0].score.textContent, "");
  assert.equal(phrases.panels[0].state.textContent, "");
});
