// Pictures, boxes, zones, keys, and what Python says.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeData } from "./builders.js";
import { make } from "./fake_page.js";
import { settle } from "./fake_server.js";
import { PlayerPage } from "./player_page.js";

let page;
beforeEach(async () => {
  page = await PlayerPage.open();
});

// ---- boxes

test("the boxes are those of the sample that is shown", () => {
  page.showFrame(1);
  assert.equal(page.overlay.dataset.boxes, 1, "the dog is below its threshold");
  page.showFrame(2);
  assert.equal(page.overlay.dataset.boxes, 0, "nothing was seen on this sample");
  page.showFrame(3.5);
  assert.equal(page.overlay.dataset.boxes, 1, "the last sample's, faint");
});

test("weak boxes are drawn when they are asked for", () => {
  page.showFrame(1);
  page.press("w");
  assert.equal(page.overlay.dataset.boxes, 2);
});

test("a label that is off and a zone that excludes take their boxes away", () => {
  page.showFrame(1);
  page.player.model.toggle("dog");
  assert.equal(page.overlay.dataset.boxes, 0);
  page.player.model.showAll();
  assert.equal(page.overlay.dataset.boxes, 1);
  const everywhere = [
    [0, 0],
    [1, 0],
    [1, 1],
    [0, 1],
  ];
  page.player.model.edit(({ box_filter }) => box_filter.exclude.push(everywhere));
  assert.equal(page.overlay.dataset.boxes, 0);
});

test("boxes lie where they are in the picture, whatever its size on the page", () => {
  page.overlay.clientWidth = 200;
  page.overlay.clientHeight = 100;
  page.overlay.drawn.length = 0;
  page.showFrame(1);
  const [[, ...box]] = page.overlay.drawn.filter(([name]) => name === "strokeRect");
  assert.deepEqual(box, [20, 20, 40, 40]);
});

test("in an audit nothing that the detector saw is drawn", () => {
  page.showFrame(1);
  page.press("h");
  assert.equal(Number(page.overlay.dataset.boxes), 0);
  assert.equal(page.player.root.classList.contains("blind"), true);
  page.press("]");
  assert.equal(page.player.stage.target_s, undefined, "nor told by a jump");
});

// ---- zones

function clickAt(clientX, clientY) {
  const event = Object.assign(new Event("click"), { clientX, clientY });
  page.overlay.dispatchEvent(event);
}

test("a zone is drawn by clicks and kept by Enter", async () => {
  page.player.stage.startZone("include");
  for (const [x, y] of [
    [0, 0],
    [50, 0],
    [50, 50],
    [50, 50],
  ]) {
    clickAt(x, y);
  }
  page.press("Enter");
  const corners = [
    [0, 0],
    [0.5, 0],
    [0.5, 1],
  ];
  assert.deepEqual(page.player.model.rule.default.box_filter.include, [corners]);
  assert.deepEqual(JSON.parse(page.reported.at(-1)[1]).rule.default.box_filter.include, [corners]);
});

test("two corners are no zone, and Esc drops one", () => {
  page.player.stage.startZone("exclude");
  clickAt(0, 0);
  clickAt(50, 0);
  page.press("Enter");
  page.player.stage.startZone("exclude");
  for (const x of [0, 10, 20]) clickAt(x, x);
  page.press("Escape");
  assert.deepEqual(page.player.model.rule.default.box_filter.exclude, []);
  assert.equal(page.player.stage.drawing, null);
});

// ---- playback

test("arrows step by frames, with shift by samples", async () => {
  page.showFrame(2);
  page.press("ArrowRight");
  assert.equal(page.player.stage.video.currentTime.toFixed(4), "2.1005");
  page.press("ArrowRight", { shiftKey: true });
  await settle();
  assert.equal(page.player.stage.video.currentTime.toFixed(4), "3.0005");
  page.press("ArrowLeft", { shiftKey: true });
  await settle();
  assert.equal(page.player.stage.video.currentTime.toFixed(4), "1.0005");
});

test("fast keys add up while the video still seeks", () => {
  page.showFrame(2);
  page.player.stage.video.seeking = true;
  page.player.stage.target_s = 2;
  page.press("ArrowUp");
  page.press("ArrowUp");
  assert.equal(page.player.stage.video.currentTime.toFixed(4), "4.0005");
});

test("brackets go from sighting to sighting", () => {
  page.showFrame(0.5);
  page.press("]");
  assert.equal(page.player.stage.target_s, 1);
  page.showFrame(1);
  page.press("]");
  assert.equal(page.player.stage.target_s, 5);
  page.showFrame(5.5);
  page.press("[");
  assert.equal(page.player.stage.target_s, 5);
});

test("a loop goes back to its onset, and along with a jump", () => {
  page.showFrame(1.5);
  page.press("l");
  page.showFrame(2.1);
  assert.equal(page.player.stage.target_s, 1);
  page.press("]");
  assert.deepEqual(page.player.stage.loop, [5, 6]);
  page.press("l");
  assert.equal(page.player.stage.loop, null);
});

test("a loop holds what plays, and lets who steps look beyond it", () => {
  const { stage } = page.player;
  stage.loop = [1, 2];
  page.showFrame(2.5);
  assert.equal(stage.target_s, undefined);
  stage.video.paused = false;
  page.showFrame(2.5);
  assert.equal(stage.target_s, 1);
});

test("keys are a field's own while it is used, but not a slider's letters", () => {
  const field = make("input");
  assert.equal(page.press("m", { path: [field, page.player.root] }).defaultPrevented, false);
  field.type = "range";
  assert.equal(
    page.press("ArrowLeft", { path: [field, page.player.root] }).defaultPrevented,
    false,
  );
  assert.equal(page.press("b", { path: [field, page.player.root] }).defaultPrevented, true);
});

test("the space bar on a button presses the button", () => {
  const button = make("button");
  assert.equal(page.press(" ", { path: [button, page.player.root] }).defaultPrevented, false);
  assert.equal(page.press(" ").defaultPrevented, true);
  assert.equal(page.player.stage.video.paused, false);
});

test("the first frame tells the offset of the browser's clock, and then seeks", async () => {
  page.say(makeData("B", { browser_offset_us: null, first_pts_us: 1_000_000 }));
  page.player.stage.seek(3);
  assert.equal(page.player.stage.waitingSeek_s, 3);
  page.showFrame(0.5);
  const [sent] = page.server.to("/api/media/media-of-B/offset");
  assert.deepEqual(sent.body, { offset_us: -500_000 });
  assert.equal(page.player.stage.video.currentTime.toFixed(4), "2.5005");
  assert.equal(page.player.stage.pts_s, 1);
});

// ---- what Python says

test("a rule that Python loads is replayed; the player's own is reported with its run", () => {
  const rule = { ...page.player.model.rule, only: ["cat"] };
  page.say(makeData("A", { rule, rule_n: 2 }));
  assert.deepEqual(page.replays().at(-1).body.rule.only, ["cat"]);
  page.player.model.emit("released");
  const [name, text] = page.reported.at(-1);
  assert.equal(name, "rule");
  assert.deepEqual(JSON.parse(text), { run_id: "A", rule_n: 2, rule, result: null });
});

test("another rerun of the page changes nothing", () => {
  const requests = page.server.requests.length;
  page.player.model.edit(({ debounce }) => {
    debounce.exit_frames = 5;
  });
  page.say(makeData("A"));
  assert.equal(page.player.model.rule.default.debounce.exit_frames, 5);
  assert.equal(page.server.requests.length, requests + 1, "the replay of the edit");
});

test("a copy of the clip that came later is shown where the viewer was", () => {
  page.say(makeData("A", { src: null, src_wait: "Making a copy…" }));
  page.player.stage.seek(4);
  page.say(makeData("A", { src: "/copy.mp4" }));
  assert.equal(page.player.stage.video.src, "/copy.mp4");
  assert.equal(page.player.stage.video.currentTime.toFixed(4), "4.0005");
});

test("of the clip before neither picture nor sound is left where a run has no video", async () => {
  const { video } = page.player.stage;
  video.src = "/before.mp4";
  await video.play();
  page.say(makeData("B", { src: null, src_wait: "its file is missing" }));
  assert.ok(video.paused);
  assert.equal(video.readyState, 0);
});

test("a seek from the page is done once", () => {
  page.say(makeData("A", { seek: { t: 3, n: 1 } }));
  assert.equal(page.player.stage.target_s, 3);
  page.player.stage.seek(5);
  page.say(makeData("A", { seek: { t: 3, n: 1 } }));
  assert.equal(page.player.stage.target_s, 5);
  page.say(makeData("A", { seek: { t: 3, n: 2 } }));
  assert.equal(page.player.stage.target_s, 3);
});

test("more samples of the same run leave the rule as it was edited", () => {
  page.player.model.edit(({ debounce }) => {
    debounce.exit_frames = 5;
  });
  page.say(makeData("A", { log_v: 2 }));
  assert.equal(page.player.model.rule.default.debounce.exit_frames, 5);
});
