// Several phrases on the same frames.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeLog } from "./builders.js";
import { CLIP, press } from "./comparison_page.js";
import { component } from "./components.js";
import { make, openPage, phrasesPage } from "./fake_page.js";
import { FakeServer } from "./fake_server.js";

const { default: showPhrases } = await component("phrases/phrases.js");
const { sourceText } = await component("phrases/table.js");

let server;
beforeEach(() => {
  openPage();
  server = new FakeServer();
});

const answerLog = (run, log) => server.answer(server.to(`/api/runs/${run}/log`).at(-1), log);

const MOMENTS = [
  { pts_s: 6, spread: 0.5, scores: { cat: 0.2, dog: 0.7 } },
  { pts_s: 3, spread: 0.7, scores: { cat: 0.9, dog: 0.2 } },
];

async function openPhrases(changes = {}, log = {}) {
  const parentElement = make("div", "", phrasesPage());
  const panel = (phrase, more) => ({
    phrase,
    enter_threshold: 0.5,
    exit_threshold: 0.3,
    sightings: [],
    left_out: [],
    ...more,
  });
  const data = {
    ...CLIP,
    run_id: "A",
    log_v: 1,
    panels: [panel("cat", { sightings: [[2, 3]] }), panel("dog", { left_out: [2] })],
    rows: [],
    best: {},
    truth: null,
    moments: MOMENTS,
    ...changes,
  };
  showPhrases({ data, parentElement });
  const rows = [
    [1, "cat", 0.9],
    [1, "dog", 0.4],
    [1, "dog", 0.8],
    [2, "cat", 0.1],
  ];
  const pts_us = [1, 2, 3, 4].map((s) => s * 1_000_000);
  await answerLog("A", makeLog("A", rows, { pts_us, failed: { 3: "no frame" }, ...log }));
  return parentElement.phrases;
}

const states = ({ panels }) =>
  panels.map(({ score, state }) => [score.textContent, state.textContent]);

test("all panels are on the frame that is shown", async () => {
  const phrases = await openPhrases();
  phrases.player.video.showFrame(1);
  assert.deepEqual(
    phrases.panels.map(({ canvas: { dataset } }) => [dataset.pts, dataset.sample, dataset.boxes]),
    [
      ["2.000", 1, 1],
      ["2.000", 1, 2],
    ],
  );
  assert.deepEqual(
    phrases.panels.map(({ canvas }) => canvas.dataset.sighting),
    ["yes", "no"],
  );
});

test("a box that the rule leaves out counts for no score", async () => {
  const phrases = await openPhrases();
  phrases.player.video.showFrame(1);
  assert.deepEqual(states(phrases), [
    ["0.90", "over 0.50"],
    ["0.40", "between"],
  ]);
});

test("where there is no score, it is said why", async () => {
  const phrases = await openPhrases({}, { missing: { dog: [2] } });
  phrases.player.video.showFrame(2);
  assert.deepEqual(states(phrases), [
    ["0.10", "under 0.30"],
    ["–", "not analysed"],
  ]);
  phrases.player.video.showFrame(3);
  assert.deepEqual(states(phrases)[0], ["–", "failed sample"]);
});

test("brackets go to the moments of disagreement in the order of time", async () => {
  const phrases = await openPhrases();
  phrases.player.video.showFrame(0);
  press(phrases.root, "]");
  assert.equal(phrases.player.target_s, 3);
  phrases.player.video.showFrame(2);
  press(phrases.root, "]");
  assert.equal(phrases.player.target_s, 6);
});

test("shift and arrows go from sample to sample", async () => {
  const phrases = await openPhrases();
  phrases.player.video.showFrame(1.4);
  press(phrases.root, "ArrowRight", { shiftKey: true });
  assert.equal(phrases.player.target_s, 3);
  press(phrases.root, "ArrowLeft", { shiftKey: true });
  assert.equal(phrases.player.target_s, 1);
});

test("without the video scores and seeking work", async () => {
  const phrases = await openPhrases({ src: null, src_wait: "The video file is missing" });
  assert.equal(phrases.note.textContent, "The video file is missing");
  phrases.seek(2.5);
  assert.equal(phrases.pts_us, 2_500_000);
  assert.equal(states(phrases)[0][0], "0.90");
});

test("the tracks have one for each phrase, and a strip for annotations", async () => {
  const truth = {
    label: "cat",
    annotations: 1,
    present_s: 1,
    watched_s: 10,
    present_us: [[2_000_000, 3_000_000]],
    covered_us: [[1_000_000, 11_000_000]],
  };
  const phrases = await openPhrases({ truth });
  const { canvas } = phrases.tracks;
  assert.deepEqual([canvas.dataset.tracks, canvas.dataset.truth], [2, 1]);
  phrases.seek(1);
  assert.equal(canvas.getAttribute("aria-valuetext"), "0:01.00");
  canvas.onpointerdown({ clientX: 50, pointerId: 1 });
  assert.equal(phrases.player.target_s, 6);
});

const ROW = {
  phrase: "cat",
  peak_score: 0.912,
  peak_s: 65,
  sightings: 2,
  presence_s: 3.5,
  share_over: 0.125,
  mean_inside: null,
  mean_outside: 0.1,
  auc: 0.987,
  auc_interval: [0.9, 1],
  precision: null,
  recall: 1,
  f1: 0.5,
};

test("the table has the figures, their intervals, and a star for the best", async () => {
  const truth = { label: "cat", annotations: 2, present_s: 1, watched_s: 9 };
  truth.present_us = truth.covered_us = [];
  const phrases = await openPhrases({ rows: [ROW], best: { auc: ["cat"] }, truth });
  const cells = phrases.table.querySelectorAll("td");
  assert.deepEqual(
    cells.map((cell) => cell.textContent),
    [
      ...["cat", "0.91", "1:05.00", "2", "3.50 s", "12.5 %"],
      ...["–", "0.10", "0.99 [0.90, 1.00]", "–", "1.00", "0.50"],
    ],
  );
  assert.deepEqual(
    cells.filter((cell) => cell.className === "best").map((cell) => cell.dataset.name),
    ["auc"],
  );
  cells[2].children[0].onclick();
  assert.equal(phrases.player.target_s, 10.999, "the peak, within the clip");
});

test("the source of the figures is said", () => {
  const truth = { label: "cat", annotations: 1, present_s: 4.2, watched_s: 70 };
  assert.match(sourceText(truth), /^Against 1 annotation of “cat” \(4\.20 s\), 1:10\.00 watched/);
  assert.match(sourceText({ ...truth, annotations: 2 }), /2 annotations/);
  assert.match(sourceText(null), /Choose annotations above/);
});

test("moments are listed with the phrases that are farthest apart", async () => {
  const phrases = await openPhrases();
  const [first] = phrases.moments.children;
  assert.equal(first.textContent, "0:06.00 · 0.50 apartdog 0.70 · cat 0.20");
  first.onclick();
  assert.equal(phrases.player.target_s, 6);
});

test("a frame that is presented before the clip is loaded is another clip's", async () => {
  const phrases = await openPhrases({ browser_offset_us: null });
  const { video } = phrases.player;
  video.readyState = 0;
  video.showFrame(5);
  assert.equal(phrases.player.offset_us, null);
  video.readyState = 2;
  video.showFrame(0);
  assert.equal(phrases.player.offset_us, -1_000_000);
});

test("only a clip that the browser cannot play is said to be one", async () => {
  const phrases = await openPhrases();
  phrases.player.video.dispatchEvent(new Event("error"));
  await server.answer(server.to("/clip.mp4").at(-1), "the video file is missing", { status: 404 });
  assert.match(phrases.note.textContent, /the video file is missing/);
  phrases.player.video.dispatchEvent(new Event("error"));
  await server.answer(server.to("/clip.mp4").at(-1), "");
  assert.match(phrases.note.textContent, /cannot play the clip/);
});
