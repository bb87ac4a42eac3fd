import assert from "node:assert/strict";
import { test } from "node:test";

import { component } from "./components.js";

const { unpack } = await component("player/binary.js");

// As tests/app/test_player_log.py has it.
const PACKED =
  "440000007b226e616d65223a225c7530306539222c22617272617973223a7b2261223a5b2275696e7438222c302c" +
  "335d2c2262223a5b22666c6f61743332222c382c325d7d7d202001020300000000000000003f0000c07f";

test("arrays are read as the server packs them", () => {
  const { buffer } = Uint8Array.from(PACKED.match(/../g), (byte) => parseInt(byte, 16));
  const { name, arrays } = unpack(buffer);
  assert.equal(name, "é");
  assert.deepEqual([...arrays.a], [1, 2, 3]);
  assert.deepEqual([...arrays.b], [0.5, NaN]);
});
