// The page Feeds: asks for the feeds every second and changes what has changed.
import { element } from "../player/elements.js";
import { jsonPost, Requests } from "../player/requests.js";
import { Card, say } from "./card.js";
import { Sinks } from "./sinks.js";
import { stateWord } from "./words.js";

const EVERY_MS = 1000;
const HIDDEN_MS = 10_000;
const PAGE = 24;
const CHIPS = ["", "trouble", "live", "stopped", "failed"];
const CHIP_WORDS = { "": "All", trouble: "Need attention" };

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".feeds");
  parentElement.feeds ||= new Feeds(root);
  parentElement.feeds.report = (asked) => setTriggerValue("asked", asked);
  parentElement.feeds.show(data);
}

class Feeds {
  constructor(root) {
    Object.assign(this, { root, cards: new Map(), asked: { text: "", state: "", first: 0 } });
    this.requests = new Requests();
    this.seen = new IntersectionObserver((changes) => this.sawOrLost(changes));
    this.list = element("ul", { className: "cards" });
    this.note = element("p", { className: "note", role: "status" });
    this.sinks = new Sinks((what, id) => this.ask(what, id));
    root.replaceChildren(this.tools(), this.note, this.list, this.sinks.frame);
    this.poll();
  }

  tools() {
    this.find = element("input", { type: "search", placeholder: "Find a feed" });
    this.find.setAttribute("aria-label", "Find a feed");
    this.find.oninput = () => this.askFor({ text: this.find.value, first: 0 });
    this.chips = new Map(CHIPS.map((state) => [state, this.chip(state)]));
    this.previous = this.turner("‹", "Previous page", -PAGE);
    this.next = this.turner("›", "Next page", PAGE);
    this.where = element("span", { className: "where" });
    this.turning = element("span", { className: "turning" }, this.previous, this.where, this.next);
    return element("div", { className: "tools" }, ...this.chips.values(), this.find, this.turning);
  }

  chip(state) {
    const made = element("button", { type: "button", className: "chip" });
    made.onclick = () => this.askFor({ state, first: 0 });
    return made;
  }

  turner(text, title, by) {
    const made = element("button", { type: "button", textContent: text, title });
    made.setAttribute("aria-label", title);
    made.onclick = () => this.askFor({ first: Math.max(0, this.asked.first + by) });
    return made;
  }

  // data.version: another one when the page has changed something, so that it is seen at once.
  show(data) {
    if (data.version !== this.version) this.refresh();
    this.version = data.version;
  }

  askFor(changes) {
    Object.assign(this.asked, changes);
    this.refresh();
  }

  async poll() {
    if (this.wasThere && !this.root.isConnected) return;
    this.wasThere ||= this.root.isConnected;
    if (!this.requests.isPending("feeds")) await this.refresh();
    setTimeout(() => this.poll(), document.hidden ? HIDDEN_MS : EVERY_MS);
  }

  async refresh() {
    const query = new URLSearchParams({ ...this.asked, count: PAGE });
    const answer = await this.requests.send("feeds", `/api/feeds?${query}`, { cache: "no-store" });
    if (!answer) return;
    this.root.classList.toggle("old", !answer.ok);
    if (answer.ok) this.draw(answer.body);
    else say(this.note, answer.body);
  }

  draw(found) {
    this.asked.first = found.first;
    this.drawTools(found);
    say(this.note, found.problem || (found.total && !found.fitting ? "No feed fits." : ""));
    const ids = found.rows.map((row) => row.id);
    for (const [id, card] of this.cards) {
      if (ids.includes(id)) continue;
      this.seen.unobserve(card.frame);
      card.frame.remove();
      this.cards.delete(id);
    }
    found.rows.forEach((row, i) => {
      if (!this.cards.has(row.id)) this.cards.set(row.id, new Card(row.id, this, this.seen));
      const card = this.cards.get(row.id);
      if (this.list.children[i] !== card.frame) {
        this.list.insertBefore(card.frame, this.list.children[i] || null);
      }
      card.update(row, found.now);
    });
    this.now = found.now;
    this.sinks.update(found.sinks, found.now);
  }

  drawTools({ states, total, fitting, first }) {
    const trouble = ["failed", "reconnecting", "frozen", "starting"];
    const counts = { ...states, "": total };
    counts.trouble = trouble.reduce((sum, state) => sum + (states[state] || 0), 0);
    for (const [state, chip] of this.chips) {
      const n = counts[state] || 0;
      say(chip, `${CHIP_WORDS[state] ?? stateWord(state)} ${n}`);
      chip.setAttribute("aria-pressed", this.asked.state === state);
      chip.hidden = Boolean(state) && !n && this.asked.state !== state;
    }
    this.find.hidden = total <= 6 && !this.asked.text;
    this.turning.hidden = fitting <= PAGE;
    say(this.where, `${first + 1}–${Math.min(first + PAGE, fitting)} of ${fitting}`);
    this.previous.disabled = first === 0;
    this.next.disabled = first + PAGE >= fitting;
  }

  sawOrLost(changes) {
    for (const { target, isIntersecting } of changes) {
      target.card.isSeen = isIntersecting;
      if (isIntersecting && target.card.row) target.card.updatePicture(this.now);
    }
  }

  async click(what, card) {
    const address = `/api/feeds/${encodeURIComponent(card.id)}/command`;
    say(card.answer, "…");
    card.frame.classList.add("busy");
    const answer = await this.requests.send(card.id, address, jsonPost({ do: what }));
    card.frame.classList.remove("busy");
    if (answer) say(card.answer, answer.ok ? "" : answer.body);
    this.refresh();
  }

  ask(what, id) {
    this.report({ what, id, n: Date.now() });
  }
}
