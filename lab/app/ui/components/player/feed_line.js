// The line over the picture that says how a feed is.
import { button, element } from "./elements.js";

// goLive: shows the newest picture. redraw: what is drawn keeps off the line, which has grown.
export function feedLine(goLive, redraw) {
  const badge = element("b");
  const facts = element("span");
  const rest = element("span", { className: "rest" });
  const back = button("Go live", "", goLive);
  const line = element("div", { className: "feed", hidden: true }, badge, facts, rest);
  // Over a small picture the rest is there when it is asked for.
  const unfolding = button("…", "More about this feed", () => {
    unfolding.setAttribute("aria-expanded", line.classList.toggle("is-whole"));
    redraw();
  });
  unfolding.className = "unfolding";
  unfolding.setAttribute("aria-expanded", false);
  line.append(unfolding, back);
  const sayRest = (text) => {
    rest.textContent = text;
    unfolding.hidden = !text;
  };
  return { badge, facts, rest, back, line, unfolding, sayRest };
}
