// Keys: one table for the keyboard, the help and the guide.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";

import { makeSighting, makeAnswer } from "./builders.js";
import { component } from "./components.js";
import { PlayerPage } from "./player_page.js";

const { KEYS, keyRows } = await component("player/keys.js");
const GUIDE = new URL("../../docs/guide/tuning.md", import.meta.url);

let page;
beforeEach(async () => {
  page = await PlayerPage.open();
});

const target = () => Number(page.player.stage.target_s.toFixed(3));

test("the guide lists the keys of the table, in its order", () => {
  const [, table] = readFileSync(GUIDE, "utf8").split("## Keys\n");
  const listed = [...table.matchAll(/^\| (`.+`) \| (.+) \|$/gm)].map(([, keys, does]) => {
    return [keys.replaceAll("`", ""), does];
  });
  assert.deepEqual(
    listed,
    keyRows().map(([, keys, does]) => [keys, does]),
  );
});

test("no two rows of the table have a key, unless one is for a moment", () => {
  const always = KEYS.filter(({ when }) => when(page.player));
  const names = always.flatMap(({ keys }) => keys);
  assert.equal(new Set(names).size, names.length);
});

test("up and page up go forward, down and page down back", () => {
  for (const [key, to_s] of [
    ["ArrowUp", 6],
    ["ArrowDown", 4],
    ["PageUp", 9.999],
    ["PageDown", 0],
  ]) {
    page.showFrame(5);
    page.press(key);
    assert.equal(target(), to_s, key);
  }
});

test("Home and End go to the ends of the clip", () => {
  page.showFrame(5);
  page.press("End");
  assert.equal(target(), 9.999);
  page.press("Home");
  assert.equal(target(), 0);
});

test("L plays what it loops", () => {
  page.player.model.setAnswer(makeAnswer([makeSighting("cat", 1, 2)]));
  page.player.stage.video.pause();
  page.showFrame(1.5);
  page.press("l");
  assert.deepEqual(page.player.stage.loop, [1, 2]);
  assert.equal(page.player.stage.video.paused, false);
  page.press("l");
  assert.equal(page.player.stage.loop, null);
});

test("S turns the sound on, which is off at first", () => {
  const { video } = page.player.stage;
  assert.equal(video.muted, true);
  page.press("s");
  assert.equal(video.muted, false);
  page.press("s");
  assert.equal(video.muted, true);
});

test("plus and minus zoom around the playhead, and nought shows the whole clip", () => {
  const { scale } = page.player.timeline;
  page.showFrame(4);
  page.press("+");
  assert.ok(scale.span < 10 && scale.holds(4));
  page.press("-");
  assert.equal(scale.span, 10);
  page.press("+");
  page.press("0");
  assert.deepEqual([scale.from, scale.to], [0, 10]);
});

test("the question mark shows every key, and is not shown twice", () => {
  const { dialog } = page.player.keysHelp;
  assert.ok(!dialog.open);
  page.press("?", { shiftKey: true });
  assert.equal(dialog.open, true);
  dialog.close();
  page.player.transport.bar.querySelectorAll("button").at(-1).click();
  assert.equal(dialog.open, true, "by its button, too");
  const shown = dialog.querySelectorAll("kbd").map((one) => one.textContent);
  assert.deepEqual(
    shown,
    keyRows().map(([, keys]) => keys),
  );
});

test("what the browser does with Ctrl and a letter is left to it", () => {
  page.press("b");
  const { areBoxesOn } = page.player.stage;
  for (const key of ["b", "c", "s", "l", "0", "+"]) {
    assert.equal(page.press(key, { ctrlKey: true }).defaultPrevented, false, key);
  }
  assert.equal(page.player.stage.areBoxesOn, areBoxesOn);
});

test("a zone is drawn without a mouse", () => {
  const { model, stage } = page.player;
  stage.startZone("include");
  page.press(" ");
  for (const key of ["ArrowLeft", "ArrowUp", "ArrowRight"]) {
    for (let i = 0; i < 5; i++) page.press(key, { shiftKey: key === "ArrowRight" });
    page.press(" ");
  }
  page.press("Enter");
  assert.deepEqual(model.shownRule().box_filter.include, [
    [
      [0.5, 0.5],
      [0.4, 0.5],
      [0.4, 0.4],
      [0.41, 0.4],
    ],
  ]);
  assert.equal(stage.drawing, null);
  page.showFrame(5);
  page.press("ArrowUp");
  assert.equal(target(), 6); // the arrows play again
});

test("Esc first drops what was begun, then closes what covers the page", () => {
  const { drawer, marking } = page.player;
  drawer.open("decisions");
  page.press("m");
  page.press("Escape");
  assert.equal(marking.pending, null);
  assert.equal(drawer.isOpen(), true);
  page.press("Escape");
  assert.equal(drawer.isOpen(), false);
});

test("up and down scroll lanes of which not all are in sight", () => {
  const lanes = { matches: (selector) => selector === ".lanes", clientHeight: 144 };
  page.showFrame(5);
  page.press("ArrowUp", { path: [{ ...lanes, scrollHeight: 288 }, page.player.root] });
  assert.equal(page.player.stage.target_s, undefined);
  page.press("ArrowUp", { path: [{ ...lanes, scrollHeight: 144 }, page.player.root] });
  assert.equal(target(), 6);
});
