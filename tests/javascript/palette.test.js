// Labels are told apart by everybody, on light and dark pages.
import assert from "node:assert/strict";
import { test } from "node:test";

import { component } from "./components.js";

const { PALETTE } = await component("player/palette.js");

// How linear RGB looks to people without one kind of cones (Machado, Oliveira, Fernandes 2009).
const SEEN = {
  "all cones": [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  "no cones for red": [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  "no cones for green": [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  "no cones for blue": [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
const TO_XYZ = [
  [0.4124564, 0.3575761, 0.1804375],
  [0.2126729, 0.7151522, 0.072175],
  [0.0193339, 0.119192, 0.9503041],
];
const WHITE = [0.95047, 1, 1.08883];
const LEAST_DIFFERENCE = 12; // in CIELAB; some 2 can just be seen side by side

const times = (matrix, vector) =>
  matrix.map((row) => row.reduce((sum, v, i) => sum + v * vector[i], 0));

function linear(colour) {
  return [1, 3, 5].map((at) => {
    const v = parseInt(colour.slice(at, at + 2), 16) / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
}

function cielab(rgb) {
  const f = times(TO_XYZ, rgb).map((v, i) => {
    const share = v / WHITE[i];
    return share > 0.008856 ? Math.cbrt(share) : 7.787 * share + 16 / 116;
  });
  return [116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])];
}

const contrast = (one, other) => {
  const [dark, light] = [one, other]
    .map((colour) => times(TO_XYZ, linear(colour))[1])
    .sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};

for (const [who, matrix] of Object.entries(SEEN)) {
  test(`any two colours of labels differ to people with ${who}`, () => {
    const seen = PALETTE.map((colour) => {
      const rgb = times(matrix, linear(colour)).map((v) => Math.min(1, Math.max(0, v)));
      return [colour, cielab(rgb)];
    });
    for (const [i, [one, a]] of seen.entries()) {
      for (const [other, b] of seen.slice(i + 1)) {
        const difference = Math.hypot(...a.map((v, at) => v - b[at]));
        assert.ok(difference >= LEAST_DIFFERENCE, `${one} and ${other}: ${difference}`);
      }
    }
  });
}

test("a curve is seen on both pages, and a caption on its colour can be read", () => {
  for (const colour of PALETTE) {
    assert.ok(contrast(colour, "#ffffff") > 2.2, colour);
    assert.ok(contrast(colour, "#0e1117") > 3, colour);
    assert.ok(contrast(colour, "#000000") >= 4.5, colour);
  }
});
