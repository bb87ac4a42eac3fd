// Stored sightings as a gallery or a table, with a preview beside it, reviewed by keyboard.
import { Marks } from "../library/marks.js";
import { element } from "../player/elements.js";
import { pressKey } from "../player/keyboard.js";
import { Listing } from "./listing.js";
import { Preview } from "./preview.js";
import { isForList, keysOf } from "./review_keys.js";
import { Reviewing } from "./reviewing.js";
import { Stretches } from "./stretches.js";

const AHEAD = 2; // stretches that are fetched before they are wanted
const SAID = ["verdict", "new_label", "tags", "note"];
const HELP =
  "Keys: arrows next and previous · Y true · N false · U unsure · L relabel · T tags · . note · " +
  "X select · Z undo · space play · O open in Review · Esc close";

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  parentElement.sightings ||= new Sightings(parentElement.querySelector(".sightings"));
  const { sightings } = parentElement;
  sightings.tell = (name, value) => setTriggerValue(name, value);
  sightings.tellMarks = (marks) => setStateValue("marks", marks);
  sightings.show(data);
  sightings.listen();
  return () => sightings.leave();
}

export class Sightings {
  constructor(root) {
    this.root = root;
    this.marks = new Marks();
    this.rows = [];
    this.at = -1;
    this.stretches = new Stretches();
    this.reviewing = new Reviewing(
      (stretch) => this.said(stretch),
      (text) => this.preview.say(text),
    );
    const lists = { labels: datalist("sighting-labels"), tags: datalist("sighting-tags") };
    this.lists = lists;
    this.listing = new Listing(root.querySelector(".list"), this);
    this.preview = new Preview(this.acts(), lists);
    const help = element("div", { className: "keys", textContent: HELP });
    root.append(this.preview.root, lists.labels, lists.tags, help);
    this.press = this.press.bind(this);
  }

  acts() {
    const onOpen = (act) => (value) => {
      if (this.row) act(this.row, value);
      this.focus();
    };
    return {
      judge: onOpen((row, verdict) => this.judge(row, verdict)),
      relabel: onOpen((row, label) => {
        this.reviewing.relabel(row, label);
        this.step(1);
      }),
      write: (note) => this.row && this.reviewing.write(this.row, note),
      tag: (tags) => this.row && this.reviewing.tag(this.row, tags),
      undo: () => this.undo(),
      step: (by) => this.step(by),
      close: () => this.close(),
      review: onOpen((row) => this.tell("review", row.id)),
      focus: () => this.focus(),
    };
  }

  get row() {
    return this.rows[this.at];
  }

  focus() {
    this.root.focus({ preventScroll: true });
  }

  // ---- data from Python

  // Draws again only what has changed, so that focus and scroll stay where they are.
  show(data) {
    this.data = data;
    this.marks.take(data);
    const before = this.row?.id;
    this.reviewing.take(data.rows);
    fill(this.lists.labels, data.labels);
    fill(this.lists.tags, data.tags);
    const shown = JSON.stringify([data.page, data.view, data.order, data.rows.map(outside)]);
    const isOther = shown !== this.shown;
    if (isOther) {
      this.shown = shown;
      this.rows = data.rows;
      this.listing.draw(data);
      this.at = this.rows.findIndex((row) => row.id === before);
      this.arrive(data.page !== this.page);
    }
    this.page = data.page;
    for (const row of data.rows) this.listing.showSaid(row.stretch);
    if (this.row) this.preview.showSaid(this.reviewing.of(this.row));
    this.listing.showMarks();
    this.root.dataset.rows = data.rows.length;
  }

  // Where the keys go on after other rows have come.
  arrive(isOtherPage) {
    const turned = isOtherPage && this.turned;
    if (isOtherPage) this.turned = 0;
    if (turned) this.openAt(turned > 0 ? 0 : this.rows.length - 1);
    else if (this.at >= 0) this.listing.showOpen(this.row.id);
    else if (!this.preview.root.hidden) this.close();
  }

  said(stretch) {
    this.listing.showSaid(stretch);
    if (stretch === this.row?.stretch) this.preview.showSaid(this.reviewing.of(this.row));
  }

  // ---- what is open

  async openAt(at) {
    if (!this.rows[at]) return;
    this.at = at;
    const { row } = this;
    this.root.classList.add("opened");
    this.root.dataset.open = row.id;
    this.listing.showOpen(row.id);
    this.preview.open(row, this.reviewing.of(row));
    this.focus();
    const answer = await this.stretches.get(row);
    if (row !== this.row || !answer) return;
    if (answer.ok) this.preview.play(answer.body);
    else this.preview.say(answer.body);
    this.prepareNext();
  }

  close() {
    this.at = -1;
    delete this.root.dataset.open;
    this.root.classList.remove("opened");
    this.preview.close();
    this.listing.showOpen(null);
    this.focus();
  }

  // By one; at the end of the page, the next page.
  step(by) {
    if (this.turned) return; // it is on its way
    const to = this.at < 0 && by < 0 ? -1 : this.at + by;
    if (this.rows[to]) this.openAt(to);
    else if (by > 0 ? this.data.has_next : this.data.has_previous) {
      this.turned = by;
      // Which rows the next page has may follow from what is being saved.
      this.reviewing.saving.then(() => this.tell("turn", by));
    } else this.preview.say(by > 0 ? "This was the last one." : "This is the first one.");
  }

  async prepareNext() {
    const next = this.rows[this.at + 1];
    for (const row of this.rows.slice(this.at + 1, this.at + 1 + AHEAD)) {
      const answer = await this.stretches.get(row);
      const isNext = row === next && next === this.rows[this.at + 1];
      if (answer?.ok && isNext) this.preview.screen.prepare(answer.body, row);
    }
  }

  // ---- what is said

  judge(row, verdict) {
    this.reviewing.judge(row, verdict);
    this.step(1);
  }

  // Back to the sighting of which it was said.
  undo() {
    const undone = this.reviewing.undo();
    const at = this.rows.findIndex((row) => row.id === undone?.id);
    if (at >= 0) this.openAt(at);
    this.preview.say(undone ? "Undone." : "There is nothing to undo.");
  }

  marked() {
    this.tellMarks(this.marks.message());
  }

  mark(id) {
    this.marks.set(id, !this.marks.has(id), false);
    this.listing.changed();
  }

  sort(order) {
    this.tell("sort", order);
  }

  // ---- keys

  listen() {
    document.addEventListener("keydown", this.press);
  }

  // Called whenever the page is drawn again, too: then nothing is to end.
  leave() {
    setTimeout(() => {
      if (this.root.isConnected) return;
      document.removeEventListener("keydown", this.press);
      this.preview.screen.stop();
      this.stretches.cancel();
    });
  }

  press(event) {
    if (isForList(event, this.root)) pressKey(event, keysOf(this));
  }
}

// What of a row is not said by people: only if that changes the list is drawn again.
function outside(row) {
  return Object.entries(row).filter(([name]) => !SAID.includes(name));
}

function datalist(id) {
  return element("datalist", { id });
}

function fill(list, values) {
  if (list.dataset.of === values.join("\n")) return;
  list.dataset.of = values.join("\n");
  list.replaceChildren(...values.map((value) => element("option", { value })));
}
