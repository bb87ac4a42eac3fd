// Two runs or rules, side by side.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeLog } from "./builders.js";
import { CLIP, press } from "./comparison_page.js";
import { component } from "./components.js";
import { duetPage, make, openPage } from "./fake_page.js";
import { FakeServer } from "./fake_server.js";

const { default: showDuet } = await component("duet/duet.js");

let server;
beforeEach(() => {
  openPage();
  server = new FakeServer();
});

const answerLog = (run, log) => server.answer(server.to(`/api/runs/${run}/log`).at(-1), log);

async function openDuet(changes = {}) {
  const parentElement = make("div", "", duetPage());
  const side = (run_id) => ({
    run_id,
    log_v: 1,
    name: run_id,
    label: "cat",
    enter_threshold: 0.5,
    exit_threshold: 0.3,
    sightings: [{ onset_s: 2, offset_s: 3 }],
  });
  const differences = [
    { start_s: 7, end_s: 8 },
    { start_s: 4, end_s: 5 },
  ];
  const data = { ...CLIP, a: side("A"), b: side("B"), differences, seek: null, ...changes };
  const say = (more) => showDuet({ data: { ...data, ...more }, parentElement });
  say({});
  const pts_us = [1, 2, 3, 4].map((s) => s * 1_000_000);
  const seenByA = [
    [1, "cat", 0.9],
    [1, "dog", 0.9],
    [2, "cat", 0.4],
    [3, "cat", 0.2],
  ];
  await answerLog("A", makeLog("A", seenByA, { pts_us }));
  await answerLog("B", makeLog("B", [[2, "cat", 0.9]], { pts_us }));
  return { ...parentElement, duet: parentElement.duet, say };
}

const boxes = (duet) => duet.sides.map((side) => side.canvas.dataset.boxes);

test("both sides draw the boxes of their label on the frame that is shown", async () => {
  const { duet } = await openDuet();
  duet.video.showFrame(1); // the file begins at 1 s, the browser's clock at 0
  assert.equal(duet.pts_s, 2);
  assert.deepEqual(boxes(duet), [1, 0]);
  duet.video.showFrame(2);
  assert.deepEqual(boxes(duet), [1, 1]);
  duet.video.showFrame(3);
  assert.deepEqual(boxes(duet), [0, 0], "below the exit threshold");
});

test("a side has a frame while it has a sighting", async () => {
  const { duet } = await openDuet();
  const { drawn } = duet.sides[1].canvas;
  const isFramed = (media_s) => {
    drawn.length = 0;
    duet.video.showFrame(media_s);
    return drawn.some(([name, x]) => name === "strokeRect" && x === 2);
  };
  assert.deepEqual([0.9, 1, 2, 2.1].map(isFramed), [false, true, true, false]);
});

test("brackets go from difference to difference, arrows by frames", async () => {
  const { duet } = await openDuet();
  press(duet.root, "]");
  assert.equal(duet.pts_s, 4);
  press(duet.root, "]");
  assert.equal(duet.pts_s, 7);
  press(duet.root, "[");
  assert.equal(duet.pts_s, 4);
  press(duet.root, "ArrowRight");
  assert.equal(duet.pts_s.toFixed(2), "4.10");
  assert.equal(duet.video.currentTime.toFixed(4), "3.1005");
});

test("a click on the strip goes to its time, within the clip", async () => {
  const { duet } = await openDuet();
  duet.strip.onpointerdown({ clientX: 50 });
  assert.equal(duet.pts_s, 6);
  duet.strip.onpointerdown({ clientX: 100 });
  assert.equal(duet.pts_s, 10.999);
});

test("a seek from the page is done once", async () => {
  const { duet, say } = await openDuet();
  say({ seek: { t: 5, n: 1 } });
  assert.equal(duet.pts_s, 5);
  press(duet.root, "ArrowRight");
  say({ seek: { t: 5, n: 1 } });
  assert.equal(duet.pts_s.toFixed(1), "5.1");
});

test("only a clip that the browser cannot play is said to be one", async () => {
  const { duet } = await openDuet();
  duet.video.dispatchEvent(new Event("error"));
  await server.answer(server.to("/clip.mp4").at(-1), "the video file is missing", { status: 404 });
  assert.match(duet.note.textContent, /the video file is missing/);
  duet.video.dispatchEvent(new Event("error"));
  await server.answer(server.to("/clip.mp4").at(-1), "");
  assert.match(duet.note.textContent, /cannot play the clip/);
});
