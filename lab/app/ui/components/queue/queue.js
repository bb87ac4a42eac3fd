// The jobs of the queue as rows of a table, each with what can be done with it.
const HEAD = ["Clip", "State", "Progress", "Speed", "Time left", ""];

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".queue");
  parentElement.queue ||= new Queue(root);
  parentElement.queue.act = (verb, id) => setTriggerValue("action", { verb, id });
  parentElement.queue.show(data.rows);
}

export class Queue {
  constructor(root) {
    this.lines = new Map();
    this.body = make("tbody");
    const head = make("tr", "", ...HEAD.map(heading));
    root.replaceChildren(make("table", "", make("thead", "", head), this.body));
  }

  // Lines stay where they are and change only in what differs, so that the focus stays, too.
  show(rows) {
    const ids = new Set(rows.map((row) => row.id));
    for (const [id, line] of this.lines) {
      if (ids.has(id)) continue;
      line.frame.remove();
      this.lines.delete(id);
    }
    rows.forEach((row, i) => {
      const line = this.lines.get(row.id) ?? new Line((verb) => this.act(verb, row.id));
      this.lines.set(row.id, line);
      line.show(row);
      if (this.body.children[i] !== line.frame) {
        this.body.insertBefore(line.frame, this.body.children[i] ?? null);
      }
    });
  }
}

class Line {
  constructor(act) {
    this.act = act;
    this.name = make("bdi", "name");
    this.what = make("div", "what");
    this.reason = make("div", "reason");
    this.state = make("span", "state");
    this.count = make("span", "number");
    this.bar = make("progress");
    this.bar.max = 1;
    this.speed = make("td", "number");
    this.left = make("td", "number");
    this.acts = make("div", "acts");
    this.offered = "";
    this.frame = make(
      "tr",
      "",
      make("td", "", this.name, this.what, this.reason),
      make("td", "", this.state),
      make("td", "", this.count, this.bar),
      this.speed,
      this.left,
      make("td", "", this.acts),
    );
  }

  show(row) {
    set(this.frame, "className", row.state);
    set(this.name, "textContent", row.name);
    set(this.name, "title", row.path);
    for (const part of ["what", "reason", "count", "speed", "left"]) {
      set(this[part], "textContent", row[part]);
    }
    set(this.state, "textContent", row.words);
    this.reason.hidden = !row.reason;
    this.bar.hidden = row.share === null;
    this.bar.value = row.share ?? 0;
    this.bar.setAttribute("aria-label", `Progress of ${row.name}`);
    const offered = JSON.stringify([row.acts, row.review]);
    if (offered === this.offered) return;
    this.offered = offered;
    this.acts.replaceChildren(...row.acts.map((one) => this.button(one, row)), ...this.review(row));
  }

  button({ verb, text, says, title }, row) {
    const made = make("button", "", text);
    made.type = "button";
    made.title = title;
    made.setAttribute("aria-label", `${says ?? text}: ${row.name}`);
    made.onclick = () => this.act(verb);
    return made;
  }

  // A plain click keeps the session; any other opens the address as the browser does.
  review(row) {
    if (!row.review) return [];
    const made = make("a", "", "Review");
    made.href = `review?run=${row.review}`;
    made.target = "_self";
    made.setAttribute("aria-label", `Review: ${row.name}`);
    made.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.act("review");
    };
    return [made];
  }
}

function set(element, name, value) {
  if (element[name] !== value) element[name] = value;
}

function make(tag, className = "", ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

function heading(text) {
  const made = make("th", "", text || "What can be done");
  made.setAttribute("scope", "col");
  return made;
}
