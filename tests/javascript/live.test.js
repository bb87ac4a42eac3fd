// The live edge: what comes over the WebSocket, what is shown, and what is said.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeData, makeOverview } from "./builders.js";
import { FOLDER } from "./components.js";
import { settle } from "./fake_server.js";
import { PlayerPage } from "./player_page.js";

const { pictureOf } = await import(`${FOLDER}/player/live_feed.js`);
const { RecentSamples } = await import(`${FOLDER}/player/recent_samples.js`);
const words = await import(`${FOLDER}/player/live_words.js`);
const { segmentAt } = await import(`${FOLDER}/player/recording.js`);
const { TimeScale } = await import(`${FOLDER}/player/time_scale.js`);

class FakeSocket {
  static all = [];

  constructor(address) {
    Object.assign(this, { address, readyState: 1, sent: [] });
    FakeSocket.all.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.isClosed = true;
  }
  say(value) {
    this.onmessage({ data: JSON.stringify(value) });
  }
}

function message(number, pts_us, version = 1) {
  const buffer = new ArrayBuffer(36 + 3);
  const header = new DataView(buffer);
  header.setUint32(0, version, true);
  header.setBigUint64(4, BigInt(number), true);
  header.setBigInt64(12, BigInt(pts_us), true);
  header.setFloat64(20, Date.now() / 1000, true);
  header.setUint32(28, 100, true);
  header.setUint32(32, 50, true);
  return buffer;
}

const { badgeOf, eventInWords, factsOf, messageOf } = words;

let page, socket;
beforeEach(async () => {
  FakeSocket.all = [];
  globalThis.WebSocket = FakeSocket;
  globalThis.createImageBitmap = async () => ({ width: 100, height: 50, close() {} });
  globalThis.Blob ??= class {};
  page = await PlayerPage.open();
  globalThis.location.host = "here";
  page.say(makeData("A", { state: "running", live: "pond", is_recording: true, src: "/api/x" }));
  socket = FakeSocket.all.at(-1);
  socket.onopen();
});

const live = () => page.player.root.dataset.live;

async function show(number, pts_s) {
  socket.onmessage({ data: message(number, pts_s * 1e6) });
  await settle();
}

test("a picture is shown at its time, and the session grows with it", async () => {
  await show(1, 12);
  assert.equal(live(), "live");
  assert.equal(page.player.stage.pts_s, 12);
  assert.equal(page.player.model.data.end_us, 12e6);
  assert.equal(page.player.timeline.scale.to, 12, "who sees the whole goes on seeing it");
});

test("the picture is paused, the session goes on, and live is where it is then", async () => {
  await show(1, 12);
  page.player.stage.toggle();
  assert.equal(live(), "held");
  assert.deepEqual(socket.sent.at(-1), { pictures: false });
  await show(2, 13);
  assert.equal(page.player.stage.pts_s, 12);
  page.player.stage.toggle();
  assert.equal(live(), "live");
  assert.deepEqual(socket.sent.at(-1), { pictures: true });
  await show(3, 14);
  assert.equal(page.player.stage.pts_s, 14);
});

test("a seek leaves the live edge, and one to its end comes back", async () => {
  await show(1, 30);
  page.player.stage.seek(5);
  assert.equal(live(), "back");
  await show(2, 31);
  assert.notEqual(page.player.stage.pts_s, 31);
  page.player.stage.seek(30);
  assert.equal(live(), "live");
});

test("boxes are those of the newest sample, before the log has it", async () => {
  const boxes = [["cat", 0.9, 1, 2, 30, 40]];
  socket.say({ run_id: "A", samples: [{ pts_us: 20e6, state: "ok", boxes }] });
  await show(1, 20.1);
  assert.equal(page.overlay.dataset.boxes, 1);
});

test("what the source is doing is said over the picture", async () => {
  await show(1, 12);
  const { message: said } = page.player.stage;
  socket.say({ status: { state: "reconnecting", reason: "no frame for 15 s", retry_at: 0 } });
  assert.match(said.textContent, /The source is away: no frame for 15 s\. Trying again\./);
  socket.say({ status: { state: "live" } });
  assert.equal(said.hidden, true);
});

test("what happens is told once, and nothing from before the page", () => {
  const event = (event_id, kind) => ({ event_id, kind, label: "cat", peak_confidence: 0.9 });
  const told = () => page.player.live.happened.children.map((line) => line.textContent);
  socket.say({ events: [event("a", "opened")] });
  assert.deepEqual(told(), []);
  socket.say({ events: [event("a", "opened"), event("b", "alerted"), event("c", "closed")] });
  assert.deepEqual(told(), ["cat: alert (0.90)", "cat: is gone (0.90)"]);
  const data = { state: "running", live: "pond", is_recording: true, src: "/api/x" };
  const start_ms = Date.UTC(2026, 4, 1, 23, 59, 58);
  page.say(makeData("A", { ...data, start_ms, end_us: 11_000_000, log_v: 2 }));
  const last = { run_id: "A", onset_s: 3, offset_s: 5 };
  socket.say({ events: [{ ...event("d", "opened"), ...last }] });
  assert.equal(told().at(-1), "00:00:01 cat: is there (0.90)");
});

test("a feed that is not shown any more is not listened to", () => {
  page.say(makeData("A", { state: "done", live: null, is_recording: true, src: "/api/x" }));
  assert.equal(socket.isClosed, true);
  assert.equal(live(), "");
});

test("a session that has ended says so, and shows what was recorded last", async () => {
  await show(1, 12);
  const said = "This feed is stopped.";
  const ended = { state: "cancelled", live: null, is_recording: true, src: "/api/x", said };
  page.say(makeData("A", { ...ended, end_us: 6e6 }));
  const { live: edge, model, stage } = page.player;
  assert.equal(model.data.end_us, 12e6, "Python knows the end some time later");
  assert.equal(edge.line.hidden, false);
  assert.equal(edge.facts.textContent, said);
  assert.equal(edge.back.hidden, true);
  assert.equal(Math.round(stage.recording.target_s), 9, "the last sample of the log");
});

test("a message of another version is no picture", () => {
  assert.equal(pictureOf(message(1, 0, 2)), null);
  assert.equal(pictureOf(new ArrayBuffer(3)), null);
  assert.equal(pictureOf(message(7, -5)).pts_us, -5);
});

test("samples that were sent twice are kept once, and go with their run", () => {
  const recent = new RecentSamples();
  const sample = (s) => ({ pts_us: s * 1e6, state: "ok", boxes: [] });
  recent.add("A", [sample(1), sample(2)]);
  recent.add("A", [sample(1), sample(2), sample(3)]);
  assert.deepEqual(recent.times, [1e6, 2e6, 3e6]);
  assert.equal(recent.sampleAt("A", 2.5e6).pts_us, 2e6);
  assert.equal(recent.sampleAt("A", 2.5e6).next_us, 3e6);
  assert.equal(recent.sampleAt("A", 0.5e6), undefined);
  assert.equal(recent.sampleAt("B", 2.5e6), undefined);
  recent.add("B", [sample(9)]);
  assert.equal(recent.sampleAt("A", 2.5e6), undefined);
});

test("samples may come in any order, from the log or before it has them", () => {
  const recent = new RecentSamples();
  const sample = (s, more = {}) => ({ pts_us: s * 1e6, state: "ok", boxes: [], ...more });
  assert.equal(recent.add("A", [sample(3), sample(4)]).length, 2);
  const [fresh] = recent.add("A", [sample(1), sample(3), sample(4)]);
  assert.equal(fresh.pts_us, 1e6);
  assert.deepEqual(recent.times, [1e6, 3e6, 4e6]);
  recent.add("A", [sample(5, { state: "failed", why: "no key frame" })]);
  assert.equal(recent.sampleAt("A", 5e6).failed, "no key frame");
});

test("the log is asked for when it has grown, not for each sample", async () => {
  const requests = () => page.server.to("/api/runs/A/overview");
  const asked = () => requests().length;
  await page.server.answer(requests().at(-1), makeOverview(page.log));
  const before = asked();
  const sample = (s) => ({ pts_us: s * 1e6, state: "ok", boxes: [] });
  socket.say({ run_id: "A", samples: [sample(20)], is_logged: false });
  assert.equal(asked(), before);
  socket.say({ run_id: "A", samples: [], is_logged: true });
  assert.equal(asked(), before + 1);
});

test("each state has its words", () => {
  const said = (state, more = {}) => messageOf({ state, ...more }, 100);
  assert.equal(said("live"), "");
  assert.equal(said("live", { problem: "the disk is full" }), "the disk is full");
  assert.match(said("reconnecting", { retry_at: 104.2 }), /Next try in 5 s/);
  assert.match(said("failed", { reason: "no such host" }), /failed: no such host/);
  assert.deepEqual(["live", "frozen", "ended"].map(badgeOf), ["Live", "Frozen", ""]);
  for (const state of ["starting", "frozen", "stopped", "ended", null]) assert.ok(said(state));
});

test("the facts are told, and those that are none are left out", () => {
  const counts = { decoded: 1234, analysed: 50, skipped: 0, reconnects: 1 };
  const status = { state: "live", lag_s: 0.4, ...counts };
  const told = factsOf(status, 0.25);
  assert.match(told, /1,234 decoded · 50 analysed · 0 skipped · 1 reconnect · /);
  assert.match(told, /decided 0\.4 s behind/);
  assert.equal(factsOf({ state: null }, null), "");
  assert.equal(eventInWords({ kind: "opened", label: "x", peak_confidence: 1, is_test: true }), "");
});

test("a segment holds the times from its beginning to the next one's", () => {
  const segments = [{ start_s: 0 }, { start_s: 60 }, { start_s: 200 }];
  assert.deepEqual(
    [-1, 0, 59, 60, 199, 500].map((time_s) => segmentAt(segments, time_s)),
    [-1, 0, 0, 1, 1, 2],
  );
});

test("a view of a part stays where it is while the session grows", () => {
  const scale = new TimeScale();
  scale.showAll({ first_pts_us: 0, end_us: 10e6 });
  scale.showStretch(2, 4);
  scale.grow(20);
  assert.deepEqual([scale.from, scale.to, scale.full[1]], [2, 4, 20]);
  scale.grow(15);
  assert.equal(scale.full[1], 20);
});

test("a recording that the browser cannot play shows the picture of the moment", async () => {
  const asked = [];
  globalThis.Image = class {
    set src(address) {
      asked.push(address);
      Object.assign(this, { naturalWidth: 100, naturalHeight: 50 });
      this.onload();
    }
  };
  await show(1, 30);
  page.player.live.leave();
  page.player.stage.recording.onTrouble("its codec is hevc", 5);
  assert.deepEqual(asked, ["/api/pictures/media-of-A/5000000.jpg"]);
  assert.equal(page.player.stage.pts_s, 5);
  assert.equal(page.player.live.canvas.hidden, false);
});
