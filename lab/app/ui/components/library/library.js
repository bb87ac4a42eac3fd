// Clips as cards or as rows of a table, which can be marked and opened.
import { Marks } from "./marks.js";

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".library");
  parentElement.library ||= new Library(root);
  parentElement.library.report = (marks) => setStateValue("marks", marks);
  parentElement.library.open = (id) => setTriggerValue("opened", id);
  parentElement.library.show(data);
}

export class Library {
  constructor(root) {
    this.root = root;
    this.marks = new Marks();
    this.boxes = new Map();
    this.shown = "";
  }

  // Draws again only what has changed, so that the focus stays where it is.
  show(data) {
    this.marks.take(data);
    const shown = JSON.stringify([data.view, data.rows]);
    if (shown !== this.shown) {
      this.shown = shown;
      this.boxes.clear();
      this.root.replaceChildren(
        data.view === "table" ? this.table(data.rows) : this.cards(data.rows),
      );
    }
    this.showMarks();
  }

  showMarks() {
    for (const [id, { box, frame }] of this.boxes) {
      box.checked = this.marks.has(id);
      frame.classList.toggle("marked", box.checked);
    }
    if (this.all) this.all.checked = this.marks.areAll();
  }

  changed() {
    this.showMarks();
    this.report(this.marks.message());
  }

  cards(rows) {
    this.all = null;
    return make("ul", "cards", ...rows.map((row) => this.card(row)));
  }

  card(row) {
    const frame = make("li", "card");
    const label = make("label", "mark", this.box(row, frame));
    const about = make(
      "span",
      "about",
      make("span", "name", named(row.name)),
      make("span", "more", stateOf(row), row.site ? " · " : "", isolated(row.site)),
      make("span", "more", row.start),
    );
    if (row.problem) about.append(make("span", "problem", row.problem));
    const picture = pictureOf(row, make("span", "length", row.length));
    frame.append(label, this.opener(row, picture, about));
    return frame;
  }

  table(rows) {
    const head = ["Clip", "Site", "Start, local time", "Length", "State", "Runs"].map(heading);
    this.all = make("input");
    this.all.type = "checkbox";
    this.all.setAttribute("aria-label", "All on this page");
    this.all.onchange = () => {
      this.marks.setAll(this.all.checked);
      this.changed();
    };
    const first = make("tr", "", make("th", "", this.all), heading("Picture"), ...head);
    const body = make("tbody", "", ...rows.map((row) => this.line(row)));
    return make("div", "wide", make("table", "", make("thead", "", first), body));
  }

  line(row) {
    const frame = make("tr");
    const name = make("span", "about", make("span", "name", named(row.name)));
    const more = row.problem ? "problem" : "more";
    name.append(make("span", more, row.problem || isolated(row.folder)));
    const picture = make("td", "", pictureOf(row));
    const cells = [make("td", "", this.opener(row, name)), make("td", "", isolated(row.site))];
    cells.push(make("td", "", row.start), make("td", "number", row.length));
    cells.push(make("td", "", stateOf(row)), make("td", "number", String(row.runs)));
    frame.append(make("td", "", this.box(row, frame)), picture, ...cells);
    return frame;
  }

  box(row, frame) {
    const box = make("input");
    box.type = "checkbox";
    box.setAttribute("aria-label", `Select ${row.name}`);
    box.onclick = (event) => {
      this.marks.set(row.id, box.checked, event.shiftKey);
      this.changed();
    };
    this.boxes.set(row.id, { box, frame });
    return box;
  }

  opener(row, ...children) {
    const made = make("button", "open", ...children);
    made.type = "button";
    made.title = row.path;
    made.onclick = () => this.open(row.id);
    return made;
  }
}

function make(tag, className = "", ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

function heading(text) {
  const made = make("th", "", text);
  made.setAttribute("scope", "col");
  return made;
}

// A text of any script leaves the order of its neighbours alone.
function isolated(text) {
  return make("bdi", "", text || "");
}

// A name breaks after an underscore or before its ending, and elsewhere only where it must.
function named(name) {
  const [first, ...others] = (name || "").split(/(?<=_)(?=[^_.])|(?=\.[^.]+$)/);
  const made = isolated(first);
  for (const part of others) made.append(make("wbr"), part);
  return made;
}

function stateOf(row) {
  return make("span", `state ${row.state}`, row.state);
}

function pictureOf(row, ...over) {
  const frame = make("span", "picture");
  if (row.picture) {
    const picture = make("img");
    picture.alt = "";
    picture.loading = "lazy";
    picture.onerror = () => frame.replaceChildren("no picture", ...over);
    picture.src = row.picture;
    frame.append(picture, ...over);
  } else {
    frame.append("no picture", ...over);
  }
  return frame;
}
