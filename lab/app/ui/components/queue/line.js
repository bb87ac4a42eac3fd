// One job as a row of the table.
import { button, checkbox, make, set } from "./parts.js";

export class Line {
  // owner: is told of act and pick.
  constructor(owner, id) {
    this.act = (verb) => owner.act(verb, id);
    this.box = checkbox("");
    this.box.onclick = (event) => owner.pick(id, this.box.checked, event.shiftKey);
    this.name = make("bdi", "name");
    this.what = make("div", "what");
    this.reason = make("div", "reason");
    this.state = make("span", "state");
    this.count = make("span", "number");
    this.bar = make("progress");
    this.bar.max = 1;
    this.speed = make("td", "number speed");
    this.left = make("td", "number");
    this.acts = make("div", "acts");
    this.offered = "";
    this.frame = make(
      "tr",
      "",
      make("td", "pick", this.box),
      make("td", "clip", this.name, this.what, this.reason),
      make("td", "", this.state),
      make("td", "", this.count, this.bar),
      this.speed,
      this.left,
      make("td", "last", this.acts),
    );
  }

  show(row) {
    this.className = row.state;
    set(this.name, "textContent", row.name);
    set(this.name, "title", row.path);
    for (const part of ["what", "reason", "count", "left"]) {
      set(this[part], "textContent", row[part]);
    }
    set(this.speed, "textContent", row.speed.replace(" · ", "\n")); // two lines need less width
    set(this.state, "textContent", row.words);
    this.reason.hidden = !row.reason;
    this.bar.hidden = row.share === null;
    this.bar.value = row.share ?? 0;
    this.bar.setAttribute("aria-label", `Progress of ${row.name}`);
    this.box.setAttribute("aria-label", `Select ${row.name}`);
    const offered = JSON.stringify([row.acts, row.review]);
    if (offered === this.offered) return;
    this.offered = offered;
    this.acts.replaceChildren(...row.acts.map((one) => this.button(one, row)), ...this.review(row));
  }

  mark(isPicked) {
    set(this.box, "checked", isPicked);
    set(this.frame, "className", isPicked ? `${this.className} picked` : this.className);
  }

  button({ verb, text, says, title }, row) {
    const made = button(text, `${says ?? text}: ${row.name}`, () => this.act(verb));
    made.title = title;
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
