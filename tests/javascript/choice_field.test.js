// Settings of the rule that are one of a few, in the panel of the player.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { PlayerPage } from "./player_page.js";

let page;
beforeEach(async () => {
  page = await PlayerPage.open();
});

const debounce = () => page.player.model.rule.default.debounce;
const selectOf = (name) => page.player.rulePanel.choices[name].select;

function choose(name, value) {
  const select = selectOf(name);
  select.value = value;
  select.onchange();
}

test("what a rule does not say stands at what it means", () => {
  assert.equal("gap_policy" in debounce(), false);
  assert.equal(selectOf("gap_policy").value, "hold");
  assert.equal(selectOf("cooldown_from").value, "start");
});

test("a choice is a setting of the rule, and its default is left out of it again", () => {
  choose("gap_policy", "close");
  assert.equal(debounce().gap_policy, "close");
  choose("gap_policy", "hold");
  assert.equal("gap_policy" in debounce(), false);
  choose("cooldown_from", "end");
  assert.equal(debounce().cooldown_from, "end");
});
