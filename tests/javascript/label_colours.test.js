// Colours of labels: the same from the first sample of a run to its end.
import assert from "node:assert/strict";
import { test } from "node:test";

import { FOLDER } from "./components.js";

const { LabelColours } = await import(`${FOLDER}/player/label_colours.js`);
const { PALETTE } = await import(`${FOLDER}/player/palette.js`);

const sample = (...boxes) => ({ boxes });

test("few labels have the order of the log", () => {
  const colours = new LabelColours();
  colours.take({ labels: ["cat", "dog"], clear: null });
  assert.deepEqual(["cat", "dog"].map((label) => colours.of(label)), PALETTE.slice(0, 2));
  colours.take({ labels: ["cat", "dog", "otter"], clear: null });
  assert.deepEqual(["cat", "dog", "otter"].map((label) => colours.of(label)), PALETTE.slice(0, 3));
});

test("of many, a label has the next colour when it is first seen clearly, and keeps it", () => {
  const labels = [..."abcdefghijklmnop"];
  const colours = new LabelColours();
  colours.take({ labels, clear: ["p", "c"] });
  colours.see([sample(["a", 0.1], ["p", 0.9]), sample(["k", 0.25], ["b", 0.8])]);
  const shown = () => ["p", "c", "k", "b"].map((label) => colours.of(label));
  assert.deepEqual(shown(), PALETTE.slice(0, 4));
  const weak = colours.of("a");
  colours.take({ labels: ["new", ...labels], clear: ["p", "c"] }); // the log is behind
  assert.deepEqual(shown(), PALETTE.slice(0, 4));
  assert.equal(colours.of("a"), weak);
  colours.take({ labels, clear: ["p", "c", "k", "b", "m"] });
  assert.deepEqual(shown(), PALETTE.slice(0, 4));
  assert.equal(colours.of("m"), PALETTE[4]);
  colours.forget();
  assert.equal(colours.clear, null);
});
