// What the list of uploads says: a file is added only once the server has said so.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Uploader } from "../../lab/app/ui/components/uploader/uploader.js";
import { make, openPage } from "./fake_page.js";

const clock = openPage();

function answering(status, text) {
  globalThis.XMLHttpRequest = class {
    upload = {};
    open() {}
    send() {
      this.status = status;
      this.responseText = text;
      this.onload();
    }
  };
}

function uploader() {
  const parts = [make("label"), make("input"), make("output"), make("ul")];
  const made = new Uploader(make("div", "uploader", ...parts));
  made.limit_bytes = 1000;
  made.reported = [];
  made.report = (paths) => made.reported.push(...paths);
  return made;
}

test("a file that arrived is being checked until the server has answered", async () => {
  answering(200, '{"path": "/store/uploads/1/a.mp4"}');
  const made = uploader();
  await made.sendAll([{ name: "a.mp4", size: 10 }]);
  assert.deepEqual(made.reported, ["/store/uploads/1/a.mp4"]);
  assert.match(made.list.textContent, /received, being checked/);
  made.answer({});
  assert.match(made.list.textContent, /being checked/);
  made.answer({ "/store/uploads/1/a.mp4": "a.mp4 is a text file" });
  assert.match(made.list.textContent, /not added: a\.mp4 is a text file/);
  assert.doesNotMatch(made.list.textContent, /stored|received/);
});

test("a file that can be used is said to be added", async () => {
  answering(200, '{"path": "/p"}');
  const made = uploader();
  await made.sendAll([{ name: "a.mp4", size: 10 }]);
  made.answer({ "/p": "" });
  assert.match(made.list.textContent, /added$/);
});

test("a file that is refused at once says why and is not reported", async () => {
  answering(507, "not enough disk space");
  const made = uploader();
  await made.sendAll([
    { name: "a.mp4", size: 10 },
    { name: "b.mp4", size: 5000 },
  ]);
  assert.deepEqual(made.reported, []);
  assert.match(made.list.textContent, /not enough disk space.*larger than the limit/);
});

test("thousands of files are sent one after the other and reported at once", async () => {
  let running = 0;
  globalThis.XMLHttpRequest = class {
    upload = {};
    open(_, address) {
      this.address = address;
    }
    send() {
      assert.equal((running += 1), 1);
      this.status = 200;
      this.responseText = JSON.stringify({ path: this.address });
      queueMicrotask(() => {
        running -= 1;
        this.onload();
      });
    }
  };
  const made = uploader();
  let reports = 0;
  made.report = (paths) => {
    reports += 1;
    made.reported = paths;
  };
  const files = Array.from({ length: 3000 }, (_, i) => ({ name: `IMG_${i}.MP4`, size: 10 }));
  await made.sendAll(files);
  assert.deepEqual([reports, made.reported.length], [1, 3000]);
  assert.equal(made.count.textContent, "3000 of 3000 files");
  made.answer(Object.fromEntries(made.reported.map((path) => [path, ""])));
  assert.equal(made.waiting.size, 0);
});

test("a folder that is dropped says how its videos get in", async () => {
  answering(200, '{"path": "/p"}');
  const made = uploader();
  await made.sendAll([{ name: "DCIM", size: 4096 }], new Set(["DCIM"]));
  assert.deepEqual(made.reported, []);
  assert.match(made.list.textContent, /is a folder; drop the videos in it/);
});

test("a file that is analysed while it comes shows the way to its run", async () => {
  let finish;
  const asked = [];
  globalThis.XMLHttpRequest = class {
    upload = {};
    open(_, address) {
      asked.push(address);
    }
    send() {
      this.status = 200;
      this.responseText = '{"path": "/p"}';
      finish = () => this.onload();
    }
  };
  globalThis.fetch = async (address) => {
    asked.push(address);
    return { ok: true, json: async () => ({ run_ids: ["r 1"] }) };
  };
  const made = uploader();
  made.analyses = '[{"name": "a"}]';
  const sending = made.sendAll([{ name: "a b.mp4", size: 10 }]);
  clock.tick(1000);
  await new Promise(setImmediate);
  assert.match(made.list.textContent, /watch it in Review/);
  assert.match(asked[0], /^\/api\/uploads\/[\w-]+\?name=a%20b\.mp4&analyses=%5B%7B/);
  assert.equal(asked[1], asked[0].split("?")[0]);
  finish();
  await sending;
  assert.deepEqual(made.reported, ["/p"]);
});

// Connections that are lost, each after some bytes; the last one answers.
function losing(...losses) {
  const told = [];
  let bytes = 0;
  globalThis.XMLHttpRequest = class {
    upload = {};
    headers = {};
    open() {}
    setRequestHeader(name, value) {
      this.headers[name] = value;
    }
    send(body) {
      told.push([this.headers["Content-Range"] ?? null, body.size]);
      const more = losses.shift();
      if (more === undefined) {
        this.status = 200;
        this.responseText = '{"path": "/p"}';
        this.onload();
      } else {
        bytes += more;
        this.onerror();
      }
    }
  };
  globalThis.fetch = async (address, { method } = {}) => {
    told.push(method ?? "GET");
    return { ok: true, json: async () => ({ run_ids: [], bytes, state: "interrupted" }) };
  };
  return told;
}

async function sent(made, size = 10) {
  const file = { name: "a.mp4", size, slice: (from) => ({ size: size - from }) };
  const sending = made.sendAll([file]);
  for (let i = 0; i < 40; i += 1) {
    await new Promise(setImmediate);
    clock.tick(250);
  }
  await sending;
}

test("a connection that is lost is gone on with where it ended", async () => {
  const told = losing(0, 4, 3);
  const made = uploader();
  made.analyses = '[{"name": "a"}]';
  await sent(made);
  const sends = told.filter((one) => one !== "GET");
  assert.deepEqual(sends, [
    [null, 10],
    ["bytes 0-9/10", 10],
    ["bytes 4-9/10", 6],
    ["bytes 7-9/10", 3],
  ]);
  assert.deepEqual(made.reported, ["/p"]);
});

test("what cannot be gone on with is given up", async () => {
  const told = losing(1, 1, 1, 1, 1);
  const made = uploader();
  made.analyses = '[{"name": "a"}]';
  await sent(made);
  assert.equal(told.filter((one) => Array.isArray(one)).length, 4);
  assert.equal(told.at(-1), "DELETE");
  assert.match(made.list.textContent, /connection was lost/);
  assert.deepEqual(made.reported, []);
});
