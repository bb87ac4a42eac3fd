// The sighting that is open: its stretch, facts, and what is said of it.
import { button, element } from "../player/elements.js";
import { verdictWords } from "./reviewing.js";
import { Screen } from "./screen.js";

const FACTS = [
  ["clip", "Clip"],
  ["site", "Site"],
  ["when", "Date, local time"],
  ["span", "Onset to offset"],
  ["duration", "Duration"],
  ["score", "Peak score"],
  ["ended", "Ended by"],
  ["alert", "Alert"],
  ["rule", "Rule"],
  ["run", "Run"],
];

export class Preview {
  // acts: judge, relabel, write, tag, undo, step, close, review.
  constructor(acts, lists) {
    this.acts = acts;
    this.note = element("div", { className: "note", role: "status" });
    this.screen = new Screen((text) => this.say(text));
    this.title = element("h3");
    this.verdict = element("span", { className: "verdict" });
    this.facts = element("dl");
    this.root = element(
      "section",
      { className: "preview", ariaLabel: "The open sighting", hidden: true },
      element("div", { className: "head" }, this.title, this.verdict, this.headButtons()),
      this.screen.box,
      this.judgeButtons(),
      this.fields(lists),
      this.note,
      this.facts,
    );
  }

  headButtons() {
    const { acts } = this;
    return element(
      "span",
      { className: "buttons" },
      button("‹", "The previous sighting (left arrow)", () => acts.step(-1)),
      button("›", "The next sighting (right arrow)", () => acts.step(1)),
      button("✕", "Close (Escape)", () => acts.close()),
    );
  }

  judgeButtons() {
    const { acts } = this;
    const rows = [
      ["True", "Y", () => acts.judge("accepted")],
      ["False", "N", () => acts.judge("rejected")],
      ["Unsure", "U", () => acts.judge("unsure")],
      ["Undo", "Z", () => acts.undo()],
      ["Open in Review", "O", () => acts.review()],
    ];
    const made = rows.map(([text, key, act]) => {
      const one = button("", `${text} (${key})`, act);
      one.append(text, " ", element("kbd", { textContent: key }));
      return one;
    });
    return element("div", { className: "buttons judge" }, ...made);
  }

  fields(lists) {
    const { acts } = this;
    this.label = element("input", { placeholder: "What it was instead" });
    this.label.setAttribute("list", lists.labels.id);
    this.tags = element("input", { placeholder: "Separated by commas" });
    this.tags.setAttribute("list", lists.tags.id);
    this.text = element("textarea", { rows: 2, placeholder: "Enter saves it" });
    this.onEnter(this.label, () => {
      const label = this.label.value.trim();
      if (label) acts.relabel(label);
    });
    this.onEnter(this.tags, () => this.saveTags());
    this.onEnter(this.text, () => this.saveNote());
    this.tags.onchange = () => this.saveTags();
    this.text.onchange = () => this.saveNote();
    const field = (text, key, input) => {
      const title = element("span", {}, text, " ", element("kbd", { textContent: key }));
      return element("label", {}, title, input);
    };
    const rows = [
      field("Relabel", "L", this.label),
      field("Tags", "T", this.tags),
      field("Note", ".", this.text),
    ];
    return element("div", { className: "fields" }, ...rows);
  }

  // Enter does it and gives the keys back; Escape gives them back alone.
  onEnter(input, act) {
    input.onkeydown = (event) => {
      if (event.key === "Escape") {
        this.acts.focus();
        this.showSaid();
      } else if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      else act();
      event.preventDefault();
      event.stopPropagation();
      this.acts.focus();
    };
  }

  saveTags() {
    const tags = this.tags.value.split(",").map((tag) => tag.trim().replace(/\s+/g, " "));
    this.acts.tag([...new Set(tags.filter(Boolean))].sort());
  }

  saveNote() {
    this.acts.write(this.text.value.trim());
  }

  // The field of a key gets the focus.
  edit(name) {
    this[name].focus();
    this[name].select();
  }

  say(text) {
    this.note.textContent = text;
  }

  open(row, said) {
    this.root.hidden = false;
    this.say("");
    this.row = row;
    this.title.replaceChildren(element("bdi", { textContent: row.label }));
    this.screen.wait(row);
    const known = FACTS.filter(([name]) => row[name]);
    this.facts.replaceChildren(
      ...known.flatMap(([name, title]) => [
        element("dt", { textContent: title }),
        element("dd", {}, element("bdi", { textContent: row[name] })),
      ]),
    );
    this.showSaid(said, true);
  }

  // isOther: of another sighting, so that nothing that is being typed stays.
  showSaid(said = this.said, isOther = false) {
    this.said = said;
    this.verdict.textContent = verdictWords(said) || "not reviewed";
    this.verdict.dataset.verdict = said.verdict || "";
    const values = [[this.label, said.new_label || ""], [this.tags, said.tags.join(", ")],
      [this.text, said.note]]; // prettier-ignore
    const { activeElement } = this.root.getRootNode();
    for (const [input, value] of values) {
      if (isOther || input !== activeElement) input.value = value;
    }
  }

  play(stretch) {
    const problem = stretch.problem || stretch.src_wait;
    if (problem) this.say(problem);
    this.screen.show(stretch);
  }

  close() {
    this.root.hidden = true;
    this.screen.stop();
  }
}
