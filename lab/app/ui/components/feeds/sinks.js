// The sinks: how each does, and what waits for it.
import { element } from "../player/elements.js";
import { say } from "./card.js";
import { OF_FILE, age, sinkWord } from "./words.js";

const HEADS = ["Sink", "Type", "State", "Waiting", "Delivered", "Failed", "Dropped", "Last", ""];
const NUMBERS = ["waiting", "delivered", "failed", "dropped"];
const HEAD_OF = Object.fromEntries(HEADS.map((head) => [head.toLowerCase(), head]));

export class Sinks {
  // ask: is told (what, name).
  constructor(ask) {
    Object.assign(this, { ask, lines: new Map() });
    this.body = element("tbody");
    const heads = HEADS.map((text) => {
      const className = NUMBERS.includes(text.toLowerCase()) ? "number" : "";
      const cell = element("th", { textContent: text, className });
      cell.setAttribute("scope", "col");
      return cell;
    });
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)));
    table.append(this.body);
    this.title = element("h3", { textContent: "Sinks" });
    this.frame = element("section", { className: "sinks" }, this.title);
    this.frame.append(element("div", { className: "wide" }, table));
  }

  update(rows, now) {
    this.frame.hidden = !rows.length;
    const names = rows.map((row) => row.name);
    if (names.join("\n") !== [...this.lines.keys()].join("\n")) {
      this.lines = new Map(names.map((name) => [name, this.line(name)]));
      this.body.replaceChildren(...[...this.lines.values()].map((line) => line.frame));
    }
    for (const row of rows) this.fill(this.lines.get(row.name), row, now);
  }

  line(name) {
    const cells = Object.fromEntries(
      ["type", "state", ...NUMBERS, "last"].map((key) => [key, element("td")]),
    );
    for (const [key, cell] of Object.entries(cells)) cell.dataset.head = HEAD_OF[key];
    for (const key of NUMBERS) cells[key].className = "number";
    const word = element("b");
    const reason = element("span", { className: "more" });
    cells.state.append(word, reason);
    const buttons = element("span", { className: "buttons" });
    const changes = [];
    for (const [text, what] of [
      ["Send a test", "test_sink"],
      ["Edit", "edit_sink"],
      ["Remove", "remove_sink"],
    ]) {
      const made = element("button", { type: "button", textContent: text });
      made.setAttribute("aria-label", `${text}: ${name}`);
      made.onclick = () => this.ask(what, name);
      buttons.append(made);
      if (what !== "test_sink") changes.push(made);
    }
    const title = element("td", {}, element("bdi", { className: "name", textContent: name }));
    const frame = element("tr", {}, title, ...Object.values(cells), element("td", {}, buttons));
    return { frame, cells, word, reason, changes };
  }

  fill({ frame, cells, word, reason, changes }, row, now) {
    frame.dataset.state = row.state;
    say(cells.type, row.type);
    say(word, sinkWord(row.state));
    say(reason, row.reason);
    for (const key of NUMBERS) say(cells[key], Number(row[key] || 0).toLocaleString());
    for (const made of changes) {
      made.disabled = Boolean(row.is_of_file);
      made.title = row.is_of_file ? OF_FILE : "";
    }
    say(cells.last, row.last_delivery_at ? `${age(now - row.last_delivery_at)} ago` : "never");
  }
}
