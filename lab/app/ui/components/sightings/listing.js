// Sightings as cards or as rows of a table, in groups; marked, opened, with what is said of them.
import { element } from "../player/elements.js";
import { verdictWords } from "./reviewing.js";

// Field, title, and the orders that a click on the title gives: the first, and the other way round.
const COLUMNS = [
  ["label", "Label", ["label"]],
  ["clip", "Clip", ["time"]],
  ["site", "Site", ["site"]],
  ["when", "Date, local time", ["calendar", "latest"]],
  ["onset", "Onset", ["onset", "last_onset"]],
  ["duration", "Duration", ["shortest", "duration"]],
  ["score", "Peak score", ["least_confidence", "confidence"]],
  ["ended", "Ended by"],
  ["alert", "Alert"],
  ["rule", "Rule"],
];
const NUMBERS = ["onset", "duration", "score", "alert"];

export class Listing {
  // owner: has marks and reviewing, and is told of mark, open and sort.
  constructor(root, owner) {
    Object.assign(this, { root, owner });
    this.frames = new Map();
    this.boxes = new Map();
  }

  draw({ view, rows, order }) {
    this.frames.clear();
    this.boxes.clear();
    this.all = null;
    const isTable = view === "table";
    this.root.replaceChildren(isTable ? this.table(rows, order) : this.cards(rows));
    for (const row of rows) this.showSaid(row.stretch);
    this.showMarks();
  }

  cards(rows) {
    const made = element("div", { className: "gallery" });
    let list = null;
    let group;
    rows.forEach((row, i) => {
      if (!list || row.group !== group) {
        if (row.group) made.append(element("h4", { textContent: row.group }));
        list = element("ul", { className: "cards" });
        made.append(list);
        group = row.group;
      }
      list.append(this.card(row, i));
    });
    return made;
  }

  card(row, i) {
    const frame = element("li", { className: "card" });
    const about = element(
      "span",
      { className: "about" },
      element("span", { className: "name" }, isolated(row.label), " ", this.saidOf()),
      element("span", { className: "more" }, isolated(row.clip)),
      element("span", { className: "more" }, [row.site, row.when].filter(Boolean).join(" · ")),
      element("span", { className: "more" }, `${row.onset} · ${row.duration} · ${row.score}`),
      element("span", { className: "tags" }),
    );
    const mark = element("label", { className: "mark" }, this.box(row, frame));
    frame.append(mark, this.opener(row, i, pictureOf(row), about));
    this.frames.set(row.id, { row, frame });
    return frame;
  }

  saidOf() {
    return element("span", { className: "verdict" });
  }

  table(rows, order) {
    this.all = element("input", { type: "checkbox", ariaLabel: "All on this page" });
    this.all.onchange = () => {
      this.owner.marks.setAll(this.all.checked);
      this.changed();
    };
    const heads = COLUMNS.map(([, title, orders]) => this.heading(title, orders, order));
    const first = [element("th", {}, this.all), plainHeading("Picture"), ...heads];
    const head = element("tr", {}, ...first, plainHeading("Verdict"), plainHeading("Tags"));
    const body = element("tbody");
    let group = null;
    rows.forEach((row, i) => {
      if (row.group && row.group !== group) body.append(groupLine(row.group, COLUMNS.length + 4));
      group = row.group;
      body.append(this.line(row, i));
    });
    const made = element("table", {}, element("thead", {}, head), body);
    return element("div", { className: "wide" }, made);
  }

  heading(title, orders, order) {
    if (!orders) return plainHeading(title);
    const at = orders.indexOf(order);
    const made = element("button", { textContent: title, title: `Sort by ${title.toLowerCase()}` });
    made.onclick = () => this.owner.sort(orders[(at + 1) % orders.length]);
    const cell = element("th", {}, made);
    cell.setAttribute("scope", "col");
    if (at >= 0) cell.setAttribute("aria-sort", at ? "descending" : "ascending");
    return cell;
  }

  line(row, i) {
    const frame = element("tr", { className: "line" });
    const cells = COLUMNS.map(([name]) => {
      const cell = element("td", { className: NUMBERS.includes(name) ? "number" : "" });
      const text = isolated(row[name]);
      cell.append(name === "label" ? this.opener(row, i, text) : text);
      return cell;
    });
    const said = element("td", {}, this.saidOf());
    const tags = element("td", {}, element("span", { className: "tags" }));
    const picture = element("td", {}, pictureOf(row));
    frame.append(element("td", {}, this.box(row, frame)), picture, ...cells, said, tags);
    frame.onclick = (event) => {
      if (!event.target.closest("input, button")) this.owner.openAt(i);
    };
    this.frames.set(row.id, { row, frame });
    return frame;
  }

  box(row, frame) {
    const box = element("input", { type: "checkbox" });
    box.setAttribute("aria-label", `Select ${row.label}, ${row.onset}, ${row.clip}`);
    box.onclick = (event) => {
      this.owner.marks.set(row.id, box.checked, event.shiftKey);
      this.changed();
    };
    this.boxes.set(row.id, { box, frame });
    return box;
  }

  opener(row, i, ...children) {
    const made = element("button", { className: "open", type: "button" }, ...children);
    made.onclick = () => this.owner.openAt(i);
    return made;
  }

  changed() {
    this.showMarks();
    this.owner.marked();
  }

  showMarks() {
    for (const [id, { box, frame }] of this.boxes) {
      box.checked = this.owner.marks.has(id);
      frame.classList.toggle("marked", box.checked);
    }
    if (this.all) this.all.checked = this.owner.marks.areAll();
  }

  showSaid(stretch) {
    for (const { row, frame } of this.frames.values()) {
      if (row.stretch === stretch) this.say(frame, this.owner.reviewing.of(row));
    }
  }

  say(frame, said) {
    const badge = frame.querySelector(".verdict");
    badge.textContent = verdictWords(said);
    badge.dataset.verdict = said.verdict || "";
    const tags = said.tags.map((tag) => element("span", { className: "tag", textContent: tag }));
    if (said.note) tags.push(element("span", { title: said.note, textContent: "✎" }));
    frame.querySelector(".tags").replaceChildren(...tags);
  }

  // The sighting that is open; null for none.
  showOpen(id) {
    for (const [each, { frame }] of this.frames) {
      const isOpen = each === id;
      frame.classList.toggle("current", isOpen);
      if (isOpen) frame.scrollIntoView({ block: "nearest" });
    }
  }
}

function plainHeading(text) {
  const made = element("th", { textContent: text });
  made.setAttribute("scope", "col");
  return made;
}

function groupLine(text, columns) {
  const cell = element("th", { textContent: text, colSpan: columns });
  return element("tr", { className: "group" }, cell);
}

// A text of any script leaves the order of its neighbours alone.
function isolated(text) {
  return element("bdi", { textContent: text || "" });
}

function pictureOf(row) {
  const frame = element("span", { className: "picture" });
  if (row.picture) {
    const picture = element("img", { alt: "", loading: "lazy" });
    picture.onerror = () => frame.replaceChildren("no picture");
    picture.src = row.picture;
    frame.append(picture);
  } else frame.append(row.no_picture);
  return frame;
}
