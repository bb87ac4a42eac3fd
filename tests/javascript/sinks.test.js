// The table of sinks: what a narrow window shows as cards.
import assert from "node:assert/strict";
import { test } from "node:test";

import { component } from "./components.js";
import { openPage } from "./fake_page.js";

openPage();
const { Sinks } = await component("feeds/sinks.js");

test("each figure of a sink says what it is where the heads have no room", () => {
  const sinks = new Sinks(() => {});
  sinks.update([{ name: "table", type: "csv", state: "working", delivered: 178 }], 0);
  const { cells } = sinks.lines.get("table");
  const said = Object.values(cells).map((cell) => cell.dataset.head);
  assert.deepEqual(said, [
    "Type",
    "State",
    "Waiting",
    "Delivered",
    "Failed",
    "Dropped",
    "Last",
  ]);
  assert.equal(cells.delivered.textContent, "178");
});
