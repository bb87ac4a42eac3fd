// What the signs on the timeline mean.
import { element } from "./elements.js";

const SIGNS = [
  ["score", "score", "The score of the label, from 0 to 1"],
  ["threshold", "threshold", "Enter at; dashed: exit below. Drag them, with Shift slowly"],
  ["sighting", "sighting", "A sighting of the rule; the dot is its alert"],
  ["annotation", "annotation", "What a person marked; its edges can be dragged"],
  ["accepted", "accepted", "A sighting that a person called right"],
  ["watched", "watched", "A stretch that a person watched"],
  ["unseen", "not analysed", "Gated, or not analysed yet; red: the sample failed"],
];

// The same with what each sign means in words, for those who cannot point at one.
export function explainedLegend() {
  const signs = SIGNS.flatMap(([name, text, title]) => [
    element("dt", {}, element("i", { className: `sign ${name}` }), ` ${text}`),
    element("dd", { textContent: title }),
  ]);
  return element("dl", { className: "explained" }, ...signs);
}

export function legend() {
  const signs = SIGNS.map(([name, text, title]) =>
    element("span", { title }, element("i", { className: `sign ${name}` }), text),
  );
  return element("div", { className: "legend" }, ...signs);
}
