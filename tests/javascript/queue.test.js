// The table of the queue: only what differs is drawn again, and a click says what is asked for.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Queue } from "../../lab/app/ui/components/queue/queue.js";
import { make, openPage } from "./fake_page.js";

openPage();

function row(id, given = {}) {
  const cancel = { verb: "cancel", text: "Cancel", title: "" };
  const first = { verb: "first", text: "↑", says: "Do first", title: "" };
  return {
    id, name: `${id}.mp4`, path: `/cards/${id}.mp4`, what: "yolo", state: "waiting",
    words: "waiting", reason: "", count: "", share: null, speed: "", left: "",
    acts: [first, cancel], review: null, ...given,
  };
}

function opened(...rows) {
  const queue = new Queue(make("div", "queue"));
  const sent = [];
  queue.act = (verb, id) => sent.push([verb, id]);
  queue.show(rows);
  return { queue, sent, lines: () => queue.body.children };
}

test("rows that stay keep their elements, in the order that is asked for", () => {
  const { queue, lines } = opened(row("1"), row("2"), row("3"));
  const [one, , three] = lines();
  const buttons = queue.lines.get("3").acts.children;
  queue.show([row("3", { words: "waiting, first" }), row("1")]);
  assert.equal(lines().length, 2);
  assert.equal(lines()[0], three);
  assert.equal(lines()[1], one);
  assert.equal(queue.lines.get("3").acts.children[0], buttons[0]);
  assert.equal(queue.lines.get("3").state.textContent, "waiting, first");
});

test("what can be done follows the state, and a click names the job", () => {
  const { queue, sent } = opened(row("1"));
  const line = queue.lines.get("1");
  line.acts.children[0].onclick();
  line.acts.children[1].onclick();
  assert.deepEqual(sent, [["first", "1"], ["cancel", "1"]]);
  assert.equal(line.acts.children[0].getAttribute("aria-label"), "Do first: 1.mp4");
  queue.show([row("1", { state: "running", share: 0.5, acts: [], review: "r" })]);
  assert.equal(line.bar.hidden, false);
  assert.equal(line.bar.value, 0.5);
  const [link] = line.acts.children;
  let stopped = 0;
  link.onclick({ preventDefault: () => (stopped += 1) });
  link.onclick({ ctrlKey: true, preventDefault: () => (stopped += 1) });
  assert.equal(stopped, 1);
  assert.deepEqual(sent.at(-1), ["review", "1"]);
});
