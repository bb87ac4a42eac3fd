import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeAnswer, makeData, makeLog, makeOverview, makeSighting } from "./builders.js";
import { component } from "./components.js";
import { make, openPage, playerPage } from "./fake_page.js";
import { FakeServer, settle } from "./fake_server.js";

const { countTexts, figureTexts, labelText, sightingTexts } =
  await component("player/result_texts.js");
const { watchedPercent } = await component("player/truth_figures.js");
const { default: show } = await component("player/main.js");

const FIGURES = makeAnswer([makeSighting("cat", 1, 2)]).figures;

test("a sighting is its times, its peak and its alert", () => {
  const changes = { peak_confidence: 0.876, alert_s: 1.2, most_at_once: 3 };
  const sighting = makeSighting("cat", 1, 63.5, changes);
  assert.deepEqual(sightingTexts(sighting, Date.UTC(2026, 4, 1, 18, 30)), [
    "cat",
    "18:30:01",
    "0:01.00",
    "1:03.50",
    "1:02.50",
    "0.88",
    "0:01.20",
    3,
  ]);
});

test("a sighting that the clip or the run cuts has limits for times", () => {
  const cut = { censored_left: true, censored_right: true, alert_s: null };
  const texts = sightingTexts(makeSighting("cat", 0, 5, cut), null);
  assert.deepEqual(texts.slice(1, 4), ["", "≤ 0:00.00", "≥ 0:05.00"]);
  assert.equal(texts[6], "silenced");
});

test("figures say of what they are", () => {
  const texts = figureTexts({ ...FIGURES, presence_s: 1, presence_most_s: 2, alerts: 3 }, false);
  assert.deepEqual(texts, [
    [1, "sightings"],
    ["1.00 s", "presence (at most 2.00 s)"],
    ["10.00 s", "analysed: 10 samples, 0 failed, 0 gaps"],
    ["0.0", "alerts an hour (3 in all)"],
    [0, "most at once: boxes of one label on one sample"],
  ]);
  assert.deepEqual(countTexts({ sightings: 1, presence_s: 61, most_at_once: 2 }), [
    [1, "sighting"],
    ["1:01.00", "present"],
    [2, "at once"],
  ]);
});

test("gated samples are named where there was a gate", () => {
  assert.match(figureTexts(FIGURES, true)[2][1], /0 failed, 0 gated, 0 gaps/);
  assert.match(figureTexts({ ...FIGURES, gated: 4 }, false)[2][1], /4 gated/);
});

test("a rate of no time is a dash", () => {
  assert.equal(figureTexts({ ...FIGURES, alerts_per_hour: null }, false)[3][0], "–");
  const label = { label: "cat", sightings: 1, presence_s: 3, alerts_per_hour: null };
  const text = "cat: 1 sighting, 3.00 s, – alerts an hour, most at once 2";
  assert.equal(labelText({ ...label, most_at_once: 2 }), text);
});

let server;
let clock;
let parentElement;
beforeEach(async () => {
  clock = openPage();
  server = new FakeServer();
  parentElement = make("div", "", playerPage());
  show({ data: makeData("A"), parentElement, setStateValue: () => {} });
  const [log] = server.to("/api/runs/A/overview");
  await server.answer(log, makeOverview(makeLog("A", [[1, "cat", 0.9]])));
});

const part = (selector) => parentElement.player.root.querySelector(selector);
const answer = (body) => server.answer(server.to("/api/replay").at(-1), body);

test("of thousands of sightings the first are listed, more when asked for", async () => {
  const all = Array.from({ length: 450 }, (_, i) => makeSighting("cat", i, i + 0.5));
  await answer(makeAnswer(all));
  const rows = () => part(".rows").querySelectorAll("tr.sighting").length;
  const more = () => part(".rows").querySelector("button.more");
  assert.equal(rows(), 200);
  assert.equal(parentElement.player.root.dataset.sightings, 450);
  assert.equal(more().textContent, "250 more sightings. Show more");
  more().click();
  more().click();
  assert.equal(rows(), 450);
  assert.equal(more(), null);
});

test("the table marks the sighting at the playhead", async () => {
  await answer(makeAnswer([makeSighting("cat", 1, 2), makeSighting("cat", 4, 5)]));
  parentElement.player.stage.video.showFrame(4.5);
  const rows = part(".rows").querySelectorAll("tr.sighting");
  assert.deepEqual(
    rows.map((row) => row.classList.contains("now")),
    [false, true],
  );
  assert.equal(
    part(".rows").querySelectorAll("img")[1].src,
    "/api/pictures/media-of-A/4000000.jpg",
  );
});

test("an empty table says why", async () => {
  await answer(makeAnswer([]));
  assert.match(part(".rows").textContent, /No sighting with this rule/);
});

test("a run whose every sample failed is no finding of nothing", async () => {
  const none = makeAnswer([]);
  await answer({ ...none, figures: { ...none.figures, failed: none.figures.samples } });
  assert.match(part(".rows").textContent, /Every sample failed/);
});

test("why is asked for the playhead when it rests, and not while playing", async () => {
  await answer(makeAnswer([]));
  const { stage } = parentElement.player;
  const asked = () => server.to("/api/explain");
  for (const time of [1, 2, 3]) stage.video.showFrame(time);
  clock.tick(150);
  assert.deepEqual(
    asked().map((r) => [r.body.pts_s, r.body.label]),
    [[3, "cat"]],
  );
  stage.video.paused = false;
  stage.video.showFrame(4);
  clock.tick(150);
  assert.equal(asked().length, 1);
});

test("a late reason of another rule is not shown", async () => {
  await answer(makeAnswer([]));
  parentElement.player.stage.video.showFrame(3);
  clock.tick(150);
  const [late] = server.to("/api/explain");
  parentElement.player.model.changed();
  late.resolve({ ok: true, json: async () => ({ state: "present", reason: "old", pts_s: 3 }) });
  await settle();
  assert.equal(part(".why").textContent, "");
});

const FIGURE = {
  tp: 3,
  fp: 1,
  fn: 0,
  precision: 0.75,
  precision_interval: [0.2, 0.99],
  recall: null,
  f1: null,
  f1_mean: null,
  false_per_hour: 1.25,
  onset_error: { n: 3, median_s: 0.1, p05_s: -0.1, p95_s: 0.3 },
  offset_error: { n: 3, median_s: -0.2, p05_s: -0.4, p95_s: 0 },
  delay: { n: 0 },
  covered_s: 65,
  below_resolution: 2,
  refused: { recall: "no stretch was watched for it" },
};

test("figures against the annotations have intervals, signs and reasons", async () => {
  const truth = {
    overall: { ...FIGURE, f1: 0.5 },
    labels: { cat: FIGURE },
    macro: {},
    notes: ["of one clip"],
    moments: [{ kind: "ends_late", start_s: 61, label: "cat", text: "0.4 s late" }],
    moments_left_out: 4,
  };
  await answer(makeAnswer([], { truth }));
  const cells = part(".truth")
    .querySelectorAll("td")
    .map((cell) => cell.textContent);
  assert.deepEqual(cells, [
    "cat",
    "3",
    "1",
    "0 (2 below resolution)",
    "0.75 [0.20, 0.99]",
    "–",
    "–",
    "–",
    "1.3",
    "+0.10 s",
    "-0.20 s",
    "–",
    "1:05.00",
  ]);
  assert.match(part(".truth").textContent, /no stretch was watched for it.*of one clip/);
  assert.match(part(".moments").textContent, /ends late 1:01\.00and 4 more/);
  assert.equal(parentElement.player.root.dataset.f1, 0.5);
  const rates = part(".rates").children.map((figure) => figure.textContent);
  assert.deepEqual(rates, ["0.75 precision [0.20, 0.99]", "– recall", "100 % watched"]);
  assert.equal(part(".rates").children[1].title, "no stretch was watched for it");
  assert.match(part(".rates").children[0].title, /the share that is right; .* 95 % interval/);
  assert.ok([...part(".truth").querySelectorAll("th")].slice(1).every(({ title }) => title));
});

test("without annotations nothing is watched, and what to do is said", async () => {
  await answer(makeAnswer([], { truth: null }));
  assert.match(part(".rates").textContent, /^0 % watched ?Annotate and mark what you watched/);
});

test("watched is the share of the clip, over all labels", () => {
  assert.equal(watchedPercent({ cat: { covered_s: 5 }, dog: { covered_s: 0 } }, 10), 25);
  assert.equal(watchedPercent({ cat: { covered_s: 0 } }, 0), 0);
});

test("the list becomes a table and a list again", async () => {
  await answer(makeAnswer([makeSighting("cat", 1, 2, { most_at_once: 4 })]));
  const [row] = part(".rows").querySelectorAll("tr.sighting");
  assert.equal(row.querySelector("td.most").textContent, "4");
  const toggle = part(".listing").querySelector("button");
  toggle.click();
  assert.equal(part(".rows").classList.contains("is-table"), true);
  toggle.click();
  assert.equal(part(".rows").classList.contains("is-table"), false);
});

test("decisions are asked for while their drawer is open", async () => {
  await answer(makeAnswer([]));
  const asked = () => server.to("/api/decisions").length;
  assert.equal(asked(), 0);
  assert.equal(part(".drawer").hidden, true);
  const opener = (text) =>
    part(".figures")
      .querySelectorAll("button")
      .find((one) => one.textContent === text);
  opener("Decisions").click();
  assert.equal(asked(), 1);
  assert.deepEqual([part(".drawer").hidden, part(".decided").hidden], [false, false]);
  opener("Figures").click();
  assert.deepEqual([part(".truth").hidden, part(".decided").hidden], [false, true]);
  await answer(makeAnswer([]));
  assert.equal(asked(), 1);
  opener("Figures").click();
  assert.equal(part(".drawer").hidden, true);
});

test("a refused rule is said in the panel, and the old table goes", async () => {
  await answer(makeAnswer([]));
  parentElement.player.model.changed();
  await server.answer(server.to("/api/replay").at(-1), "below the floor", { status: 400 });
  assert.match(part(".side").textContent, /below the floor/);
  assert.equal(part(".rows table").textContent, "");
});
