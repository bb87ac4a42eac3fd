// The picture under the pointer, and the sound with its waveform.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { component } from "./components.js";
import { settle } from "./fake_server.js";
import { PlayerPage } from "./player_page.js";

const { momentAt } = await component("player/peek.js");

let page;
let timeline;
beforeEach(async () => {
  page = await PlayerPage.open();
  ({ timeline } = page.player);
});

function send(canvas, type, clientX, clientY) {
  canvas.dispatchEvent(Object.assign(new Event(type), { clientX, clientY, pointerId: 1 }));
}

// ---- pictures

const images = () => page.player.timeline.pointer.peek;

test("the picture under the pointer waits until it rests, and one is loaded at a time", () => {
  send(timeline.canvas, "pointermove", 30, 30);
  send(timeline.canvas, "pointermove", 52, 30);
  assert.equal(images().image.src, undefined);
  page.clock.tick(150);
  assert.equal(images().image.src, "/api/pictures/media-of-A/5000000.jpg");
  send(timeline.canvas, "pointermove", 80, 30);
  page.clock.tick(150);
  assert.equal(images().image.src, "/api/pictures/media-of-A/5000000.jpg", "one at a time");
  images().image.dispatchEvent(new Event("load"));
  assert.equal(images().image.src, "/api/pictures/media-of-A/8000000.jpg");
  assert.equal(images().image.hidden, true, "a picture of elsewhere is not shown");
  images().image.dispatchEvent(new Event("load"));
  assert.equal(images().image.hidden, false);
  assert.equal(images().time.textContent, "0:08.00");
});

test("where no picture can be made the time is shown, and leaving hides it", () => {
  send(timeline.canvas, "pointermove", 30, 30);
  page.clock.tick(150);
  images().image.dispatchEvent(new Event("error"));
  assert.deepEqual([images().box.hidden, images().image.hidden], [false, true]);
  send(timeline.canvas, "pointerleave", 30, 30);
  assert.equal(images().box.hidden, true);
});

test("pictures are of few moments, that fit the clip's length", () => {
  assert.equal(momentAt(5.3, 10, 0), 5.25);
  assert.equal(momentAt(0.1, 10, 2), 2);
  const day_s = 86400;
  const moments = new Set(Array.from({ length: 5000 }, (_, i) => momentAt(i * 17, day_s, 0)));
  assert.ok(moments.size <= 64);
});

// ---- sound

const asked = () => page.server.to("/api/media/media-of-A/sound");
const wave = (changes) => ({
  media_id: "media-of-A",
  state: "done",
  has_sound: true,
  problem: null,
  from_us: 0,
  to_us: 10_000_000,
  arrays: { low: Float32Array.from([-0.5, -1]), high: Float32Array.from([0.5, 1]) },
  ...changes,
});

test("the waveform is a lane of its own, asked for once the curves are there", async () => {
  assert.equal(asked().length, 1);
  const { height } = timeline.canvas.style;
  await page.server.answer(asked()[0], wave());
  assert.equal(parseInt(timeline.canvas.style.height), parseInt(height) + 36);
  assert.equal(page.player.transport.soundButton.disabled, false);
});

test("a clip without sound has no such lane, and its button says so", async () => {
  const { height } = timeline.canvas.style;
  const arrays = { low: new Float32Array(0), high: new Float32Array(0) };
  await page.server.answer(asked()[0], wave({ has_sound: false, arrays }));
  assert.equal(timeline.canvas.style.height, height);
  const { soundButton } = page.player.transport;
  assert.deepEqual([soundButton.disabled, soundButton.title], [true, "The clip has no sound"]);
});

test("damaged sound says so in its lane", async () => {
  const problem = "the sound of a.mp4 is damaged";
  await page.server.answer(asked()[0], wave({ problem }));
  assert.equal(timeline.sound.title, problem);
});

test("while the waveform is being made the page asks again", async () => {
  await page.server.answer(asked()[0], wave({ state: "making", has_sound: false }));
  page.clock.tick(5000);
  await settle();
  assert.equal(asked().length, 2);
  await page.server.answer(asked()[1], wave());
  assert.equal(timeline.sound.isThere, true);
});
