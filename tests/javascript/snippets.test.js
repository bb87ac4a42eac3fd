// The drawer's code: asked for while it is open, of the rule that is shown, and copied.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { makeAnswer } from "./builders.js";
import { settle } from "./fake_server.js";
import { PlayerPage } from "./player_page.js";

const TEXTS = { python: "import lab", command: "lab sightings A", yaml: "default: {}" };
const JOB = { job: "version: 1", job_problem: null };

let page, code, kept;
beforeEach(async () => {
  page = await PlayerPage.open();
  code = page.player.root.querySelector(".code");
  kept = [];
  const clipboard = { writeText: async (text) => kept.push(text) };
  Object.defineProperty(globalThis, "navigator", { value: { clipboard }, configurable: true });
});

const asked = () => page.server.to("/api/snippets");
const answer = (job = JOB) => page.server.answer(asked().at(-1), { ...TEXTS, ...job });
const buttons = () => code.querySelectorAll("button");
const titles = () => code.querySelectorAll("b").map((one) => one.textContent);

test("nothing is asked for until the drawer shows the code", async () => {
  assert.equal(asked().length, 0);
  page.player.drawer.open("code");
  assert.deepEqual(asked()[0].body, { run_id: "A", rule: page.player.model.rule });
  await answer();
  assert.deepEqual(titles(), ["Python", "Command line", "YAML", "Job"]);
});

test("what is copied is the text as it is", async () => {
  page.player.drawer.open("code");
  await answer();
  for (const made of buttons().filter((one) => one.textContent === "Copy")) made.click();
  await settle();
  assert.deepEqual(kept, [TEXTS.python, TEXTS.command, TEXTS.yaml, JOB.job]);
  assert.match(code.textContent, /Copied/);
});

test("a text that cannot be copied is selected", async () => {
  page.player.drawer.open("code");
  await answer();
  Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  const selected = [];
  globalThis.getSelection = () => ({ selectAllChildren: (block) => selected.push(block) });
  buttons()[0].click();
  await settle();
  assert.equal(selected[0].textContent, TEXTS.python);
});

test("while the rule is changed nothing older is copied, then it is asked for", async () => {
  page.player.drawer.open("code");
  await answer();
  page.player.model.edit(({ debounce }) => {
    debounce.enter_threshold = 0.77;
  });
  assert.ok(buttons().every((made) => made.disabled));
  await page.server.answer(page.replays().at(-1), makeAnswer([]));
  page.clock.tick(200);
  assert.equal(asked().at(-1).body.rule.default.debounce.enter_threshold, 0.77);
  await answer();
  assert.ok(buttons().every((made) => !made.disabled));
});

test("a run that is no job says why, and what is refused leaves no text", async () => {
  page.player.drawer.open("code");
  await answer({ job: null, job_problem: "This run cannot be written as a job: no file" });
  assert.equal(buttons().length, 3);
  assert.match(code.textContent, /cannot be written as a job: no file/);
  page.player.drawer.open("code");
  await page.server.answer(asked().at(-1), "no such run", { status: 404 });
  assert.equal(code.textContent, "no such run");
});
