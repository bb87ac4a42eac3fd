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

function pickable() {
  const states = ["running", "waiting", "waiting", "failed", "done"];
  const { queue, lines } = opened(...states.map((state, i) => row(String(i), { state })));
  const asked = [];
  queue.send = (one) => asked.push(one);
  queue.show(queue.rows, { running: 1, waiting: 1670, failed: 667, done: 9 });
  const boxes = queue.rows.map(({ id }) => queue.lines.get(id).box);
  const click = (i, shiftKey = false) => {
    boxes[i].checked = !boxes[i].checked;
    boxes[i].onclick({ shiftKey });
  };
  const offered = () => queue.bar.verbs.filter((one) => !one.hidden).map((one) => one.textContent);
  return { queue, asked, boxes, click, offered, lines };
}

test("a click with Shift picks all between, and what fits some of them is offered", () => {
  const { queue, asked, boxes, click, offered } = pickable();
  assert.deepEqual(offered(), []);
  click(1);
  click(3, true);
  assert.deepEqual(boxes.map((one) => one.checked), [false, true, true, true, false]);
  assert.equal(queue.bar.said.textContent, "3 selected");
  assert.deepEqual(offered(), ["Retry", "Do first", "Do last", "Cancel", "Clear"]);
  assert.equal(queue.bar.verbs[3].getAttribute("aria-label"), "Cancel: 2 selected");
  queue.bar.verbs[3].onclick();
  assert.deepEqual(asked, [{ verb: "cancel", ids: ["1", "2", "3"] }]);
  assert.equal(queue.bar.said.textContent, "");
});

test("all that failed are picked, also on other pages, until a row is changed by hand", () => {
  const { queue, asked, boxes, click, offered } = pickable();
  const failed = queue.bar.states.find(([state]) => state === "failed")[1];
  assert.equal(failed.textContent, "all 667 failed");
  failed.onclick();
  assert.equal(failed.getAttribute("aria-pressed"), "true");
  assert.deepEqual(boxes.map((one) => one.checked), [false, false, false, true, false]);
  assert.equal(queue.bar.said.textContent, "667 selected");
  assert.deepEqual(offered(), ["Retry", "Clear"]);
  click(1);
  assert.equal(queue.bar.said.textContent, "2 selected");
  failed.onclick();
  queue.bar.verbs[0].onclick();
  assert.deepEqual(asked, [{ verb: "retry", state: "failed" }]);
});

test("what is shown no more is picked no more", () => {
  const { queue, boxes, click } = pickable();
  click(1);
  click(2);
  const rest = queue.rows.filter((one) => one.id !== "1");
  queue.show(rest, queue.counts);
  assert.equal(queue.bar.said.textContent, "1 selected");
  assert.equal(boxes[2].checked, true);
});

test("arrows go from box to box, with Shift they pick, and Escape picks none", () => {
  const { queue, boxes } = pickable();
  const press = (i, key, given = {}) => {
    let stopped = false;
    const preventDefault = () => (stopped = true);
    queue.body.onkeydown({ key, target: boxes[i], preventDefault, ...given });
    return stopped;
  };
  const focused = [];
  boxes.forEach((box, i) => (box.focus = () => focused.push(i)));
  assert.equal(press(0, "ArrowUp"), false);
  assert.equal(press(0, "ArrowDown"), true);
  assert.equal(press(1, "ArrowDown", { shiftKey: true }), true);
  assert.deepEqual(focused, [1, 2]);
  assert.equal(queue.bar.said.textContent, "2 selected");
  press(2, "a", { ctrlKey: true });
  assert.equal(queue.bar.all.checked, true);
  press(2, "Escape");
  assert.equal(queue.bar.said.textContent, "");
  assert.equal(press(2, "x"), false);
});
