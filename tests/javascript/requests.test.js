import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { component } from "./components.js";
import { FakeServer, settle } from "./fake_server.js";

const { Requests } = await component("player/requests.js");

let server;
let requests;
beforeEach(() => {
  server = new FakeServer();
  requests = new Requests();
});

test("an answer comes with what was asked for", async () => {
  const answer = requests.send("log", "/api/log");
  await server.answer(server.requests[0], { a: 1 });
  assert.deepEqual(await answer, { ok: true, body: { a: 1 } });
  assert.equal(requests.isPending("log"), false);
});

test("a refusal comes with its reason", async () => {
  const answer = requests.send("log", "/api/log");
  await server.answer(server.requests[0], "no such run", { status: 404 });
  assert.deepEqual(await answer, { ok: false, body: "no such run" });
});

test("an app that does not answer is a refusal, too", async () => {
  const answer = requests.send("log", "/api/log");
  server.requests[0].reject(new Error("connection refused"));
  assert.match((await answer).body, /does not answer \(connection refused\)/);
});

test("the newest request of a kind wins, in whatever order the answers come", async () => {
  const older = requests.send("log", "/api/log?1");
  const newer = requests.send("log", "/api/log?2");
  await server.answer(server.requests[1], "second");
  await server.answer(server.requests[0], "first");
  assert.deepEqual([await older, await newer], [null, { ok: true, body: "second" }]);
});

test("the older one is given up", async () => {
  requests.send("log", "/api/log?1");
  requests.send("log", "/api/log?2");
  assert.deepEqual(
    server.requests.map((request) => request.signal.aborted),
    [true, false],
  );
});

test("an answer that the browser has already does not count either", async () => {
  const older = requests.send("log", "/api/log?1");
  const sendRest = await server.answer(server.requests[0], "first", { holdBody: true });
  const newer = requests.send("log", "/api/log?2");
  await sendRest();
  assert.equal(await older, null);
  assert.equal(requests.isPending("log"), true);
  await server.answer(server.requests[1], "second");
  assert.equal((await newer).body, "second");
});

test("kinds do not disturb each other", async () => {
  const log = requests.send("log", "/api/log");
  const replay = requests.post("replay", "/api/replay", { run_id: "A" });
  assert.deepEqual(server.requests[1].body, { run_id: "A" });
  assert.equal(server.requests[1].method, "POST");
  await server.answer(server.requests[0], "log");
  await server.answer(server.requests[1], "replay");
  assert.deepEqual([(await log).body, (await replay).body], ["log", "replay"]);
});

test("after cancelAll nothing is pending and nothing counts", async () => {
  const answers = ["log", "replay"].map((kind) => requests.send(kind, `/api/${kind}`));
  requests.cancelAll();
  await settle();
  assert.deepEqual(await Promise.all(answers), [null, null]);
  assert.equal(requests.isPending("log"), false);
});
