// What the signs on the timeline mean.
import { element } from "./elements.js";

const SIGNS = [
  ["score", "score", "The score of the label, from 0 to 1"],
  ["threshold", "threshold", "Enter at; dashed: exit below. Drag them, with Shift slowly"],
  ["sighting", "sighting", "A sighting of the rule; the dot is its alert"],
  ["annotation", "annotation", "What a person marked; its edges can be dragged"],
  ["watched", "watched", "A stretch that a person watched"],
  ["unseen", "not analysed", "Gated, or not analysed yet; red: the sample failed"],
];

export function legend() {
  const signs = SIGNS.map(([name, text, title]) =>
    element("span", { title }, element("i", { className: `sign ${name}` }), text),
  );
  return element("div", { className: "legend" }, ...signs);
}
