// A viewer who goes to another page.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { PlayerPage } from "./player_page.js";

let page;
beforeEach(async () => {
  page = await PlayerPage.open();
});

function clicked(href, keys = {}) {
  const link = { tagName: "A", href };
  const event = Object.assign(new Event("click"), { composedPath: () => [link], ...keys });
  globalThis.document.dispatchEvent(event);
}

test("the address of the page that was left does not stay when it comes late", () => {
  const replaced = [];
  globalThis.history = { state: null, replaceState: (state, title, to) => replaced.push(to) };
  page.player.root.isConnected = true;
  clicked("http://here/notebook");
  page.player.root.isConnected = false;
  page.clock.tick(3000); // location.pathname is still that of Review
  assert.deepEqual(replaced, ["http://here/notebook"]);
  page.player.root.isConnected = true;
  clicked("http://here/notebook");
  page.player.root.isConnected = false;
  clicked("http://here/review"); // back at once
  page.clock.tick(3000);
  assert.equal(replaced.length, 1);
});

test("what is told after a click on another page's link waits until the viewer has stayed", () => {
  page.player.root.isConnected = true;
  page.reported.length = 0;
  clicked("http://here/review?run=B");
  clicked("http://here/notebook", { ctrlKey: true });
  page.player.report("answered", "1");
  assert.deepEqual(page.reported, [["answered", "1"]]);
  clicked("http://here/notebook");
  page.player.report("answered", "2");
  page.player.report("answered", "3");
  assert.equal(page.reported.length, 1);
  page.clock.tick(3000);
  assert.deepEqual(page.reported.at(-1), ["answered", "3"]);
  assert.equal(page.reported.length, 2);
});
