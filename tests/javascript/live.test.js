// The live edge: what comes over the WebSocket, what is shown, and what is said.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeData, makeOverview } from "./builders.js";
import { FOLDER } from "./components.js";
import { settle } from "./fake_server.js";
import { PlayerPage } from "./player_page.js";

const { pictureOf } = await import(`${FOLDER}/player/live_feed.js`);

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

test("the timeline is zoomed where a seek goes, before its picture is there", async () => {
  await show(1, 12);
  const { scale } = page.player.timeline;
  page.player.stage.seek(3);
  page.player.timeline.zoomBy(-1);
  const zoomed = [scale.from, scale.to];
  assert.ok(scale.holds(3) && scale.to < 12, `${zoomed}`);
  page.showFrame(3);
  assert.deepEqual([scale.from, scale.to], zoomed, "the playhead is in view");
});

test("keys count from where the last seek goes, and at the live edge from there", async () => {
  await show(1, 12);
  const { stage } = page.player;
  stage.seek(3);
  stage.jumpBy(2);
  assert.equal(stage.next_s, 5);
  page.showFrame(5);
  page.showFrame(6);
  assert.equal(stage.next_s, 6);
  stage.seek(4);
  page.player.live.goLive();
  await show(2, 13);
  assert.equal(stage.next_s, 13);
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
  assert.deepEqual([edge.rest.textContent, edge.unfolding.hidden], ["", true]);
  assert.equal(edge.back.hidden, true);
  assert.equal(Math.round(stage.recording.target_s), 9, "the last sample of the log");
});

test("a message of another version is no picture", () => {
  assert.equal(pictureOf(message(1, 0, 2)), null);
  assert.equal(pictureOf(new ArrayBuffer(3)), null);
  assert.equal(pictureOf(message(7, -5)).pts_us, -5);
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
