// One feed: its last picture, its state, what was seen today, and what can be done.
import { element } from "../player/elements.js";
import {
  OF_FILE,
  age,
  controlWords,
  count,
  figures,
  sightingsToday,
  stateDetails,
  stateWord,
} from "./words.js";

const LINES = [
  "details",
  "reason",
  "problem",
  "drift",
  "control",
  "rule-here",
  "source",
  "today",
  "present",
];
const RUNNING = ["starting", "live", "reconnecting", "frozen"];

export class Card {
  // owner: is told of click (do, card) and ask (what, id); seen: an IntersectionObserver.
  constructor(id, owner, seen) {
    Object.assign(this, { id, owner, row: null, shown_at: null, isSeen: false });
    this.picture = element("span", { className: "picture" }, "no picture yet");
    this.state = element("span", { className: "state" });
    this.name = element("bdi", { className: "name" });
    this.lines = Object.fromEntries(
      LINES.map((name) => [name, element("span", { className: `more ${name}` })]),
    );
    this.figures = element("dl");
    this.answer = element("span", { className: "answer", role: "status" });
    this.start = this.button("Start", () => owner.click("start", this));
    this.stop = this.button("Stop", () => owner.click("stop", this));
    this.links = element("span", { className: "buttons" }, this.start, this.stop);
    this.links.append(
      this.asks("Live", "live"),
      (this.review = this.asks("Review", "review")),
      (this.rule = this.asks("Rule", "rule")),
    );
    this.frame = element("li", { className: "feed" }, this.picture, this.about());
    this.frame.card = this;
    seen.observe(this.frame);
  }

  about() {
    this.now = this.button("Analyse now", () => this.owner.click("analyse_now", this));
    this.fileRule = this.button("Use the file's rule", () =>
      this.owner.click("rule_of_file", this),
    );
    this.edit = this.asks("Edit", "edit");
    this.remove = this.asks("Remove", "remove");
    const more = element("span", { className: "buttons" }, this.now, this.fileRule);
    more.append(this.edit, this.remove);
    const details = element("details", {}, element("summary", { textContent: "More" }));
    details.append(this.figures, more);
    const head = element("span", { className: "head" }, this.name, this.state);
    return element(
      "div",
      { className: "about" },
      head,
      ...Object.values(this.lines),
      this.answer,
      this.links,
      details,
    );
  }

  button(text, act) {
    const made = element("button", { type: "button", textContent: text });
    made.onclick = act;
    return made;
  }

  asks(text, what) {
    return this.button(text, () => this.owner.ask(what, this.id));
  }

  update(row, now) {
    this.row = row;
    this.frame.dataset.state = row.state;
    say(this.name, row.name || row.id);
    say(this.state, stateWord(row.state));
    say(this.lines.details, stateDetails(row, now));
    say(this.lines.reason, row.reason);
    say(this.lines.problem, row.problem);
    say(this.lines.drift, (row.drift || []).join(" · "));
    say(this.lines.control, controlWords(row.control, now));
    const here = row.rule_is_set_here;
    say(this.lines["rule-here"], here ? "rule set here, in place of the one in its file" : "");
    say(this.lines.source, [row.source_type, row.source].filter(Boolean).join(" · "));
    say(this.lines.today, todayOf(row));
    say(this.lines.present, row.present.length ? `now: ${row.present.join(", ")}` : "");
    this.updateButtons(row);
    this.updateFigures(row);
    this.updatePicture(now);
  }

  updateButtons(row) {
    const isWatched = row.state !== "unwatched";
    const isRunning = RUNNING.includes(row.state);
    this.start.hidden = !isWatched || isRunning;
    this.stop.hidden = !isRunning;
    this.now.hidden = !isRunning;
    this.fileRule.hidden = !row.rule_is_set_here;
    this.review.disabled = !(row.run_id || row.last_run_id);
    this.rule.disabled = !isWatched;
    this.edit.disabled = this.remove.disabled = !isWatched;
    this.edit.title = this.remove.title = "";
    if (isRunning) this.refuse("Stop the feed first", this.remove);
    if (row.is_of_file) this.refuse(OF_FILE, this.edit, this.remove);
    const name = row.name || row.id;
    for (const made of this.frame.querySelectorAll("button")) {
      const label = `${made.textContent}: ${name}`;
      if (made.getAttribute("aria-label") !== label) made.setAttribute("aria-label", label);
    }
  }

  refuse(why, ...buttons) {
    for (const made of buttons) Object.assign(made, { disabled: true, title: why });
  }

  updateFigures(row) {
    const wanted = figures(row);
    while (this.figures.children.length > wanted.length * 2) this.figures.lastChild.remove();
    wanted.forEach(([title, value], i) => {
      if (this.figures.children.length <= i * 2) {
        this.figures.append(element("dt"), element("dd"));
      }
      say(this.figures.children[i * 2], title);
      say(this.figures.children[i * 2 + 1], value);
    });
  }

  // The next picture takes the place of the last one when it is there, so nothing flickers.
  updatePicture(now) {
    const { picture_at, id } = this.row;
    if (!picture_at) return;
    if (this.age) say(this.age, `${age(now - picture_at)} ago`);
    if (!this.isSeen || this.shown_at === picture_at || this.loading) return;
    this.loading = element("img", { alt: `Last picture of ${this.row.name || id}` });
    this.loading.onload = () => {
      this.age ||= element("span", { className: "age" });
      say(this.age, `${age(now - picture_at)} ago`);
      this.picture.replaceChildren(this.loading, this.age);
      this.shown_at = picture_at;
      this.loading = null;
    };
    this.loading.onerror = () => {
      this.loading = null;
    };
    this.loading.src = `/api/feeds/${encodeURIComponent(id)}/last.jpg?at=${picture_at}`;
  }
}

function todayOf(row) {
  if (row.state === "unwatched") return "";
  const alerts = row.alerts ? ` · ${count(row.alerts, "alert")}` : "";
  return sightingsToday(row) + alerts;
}

// Nothing is touched that says the same already: what is selected stays selected.
export function say(place, text) {
  const wanted = text || "";
  if (place.textContent !== wanted) place.textContent = wanted;
}
