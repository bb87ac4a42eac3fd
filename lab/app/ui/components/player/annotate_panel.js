// The buttons below the timeline that add annotations.
import { button, element, giveKeysBack, note } from "./elements.js";
import { mediaTime } from "./formatting.js";

const ANOTHER = "+"; // the option with which a new label is typed
const MOST_MARKS = 200;
const KEYS =
  "M marks the start and the end, C what was watched, V the whole clip. " +
  "Esc drops a mark that was begun.";

export class AnnotatePanel {
  constructor(marking, modes, root) {
    Object.assign(this, { marking, modes, root });
    this.panel = root.querySelector(".annotate");
    this.question = root.querySelector(".question");
    this.marks = root.querySelector(".marks");
    this.build();
    this.showBlind();
    marking.model.addEventListener("blind", () => this.showBlind());
    marking.addEventListener("changed", () => this.show());
    marking.addEventListener("message", (event) => {
      this.message.textContent = event.detail;
    });
  }

  build() {
    const { marking } = this;
    const add = (text, title, act) =>
      button(text, title, (event) => {
        act();
        giveKeysBack(this.root, event);
      });
    const rarely = (made) => {
      made.className = "for-annotating";
      return made;
    };
    this.mark = add("Mark start (M)", "Mark the start, then the end (M)", () => marking.mark());
    this.watch = add("Watched from (C)", "Mark what was watched: start, then end (C)", () =>
      marking.watch(),
    );
    this.blind = add("Blind (H)", "Hide what the detector saw (H)", () => marking.toggleBlind());
    this.state = note("");
    this.message = element("span", { className: "note said", role: "status" });
    const buttons = [
      this.mark,
      rarely(this.watch),
      rarely(
        add("All (V)", "The whole clip was watched for this label (V)", () => marking.watchWhole()),
      ),
      add("Accept (Y)", "The sighting at the playhead is right (Y)", () =>
        marking.judge("accepted"),
      ),
      add("Reject (N)", "The sighting at the playhead is wrong (N)", () =>
        marking.judge("rejected"),
      ),
      rarely(add("Erase (X)", "Delete the annotation at the playhead (X)", () => marking.erase())),
      add("Undo (Z)", "Undo the last change (Z)", () => marking.undoing.undo()),
      rarely(add("Redo", "Make it again (Shift+Z)", () => marking.undoing.redo())),
    ];
    const fields = [this.modes.control, this.labelMenu(), ...buttons];
    this.panel.replaceChildren(...fields, this.state, this.message);
    this.list = element("div");
    const annotator = element("label", { className: "field" }, "Annotator", this.annotatorField());
    this.heading = element("h4", { textContent: "Annotations" });
    const keys = element("div", { className: "note", textContent: KEYS });
    this.marks.replaceChildren(annotator, this.blind, this.heading, this.list, keys);
  }

  labelMenu() {
    this.choice = element("select", { ariaLabel: "Label to annotate" });
    this.choice.onchange = () => {
      if (this.choice.value === ANOTHER) this.marking.addLabel(prompt("Name of the label"));
      else this.marking.choose(this.choice.value);
    };
    return this.choice;
  }

  annotatorField() {
    const { annotations } = this.marking;
    const value = annotations.annotator;
    const props = { value, ariaLabel: "Annotator", title: "Who annotates", size: 8 };
    const input = element("input", props);
    input.style.gridColumn = "2 / 4";
    input.onchange = () => {
      annotations.annotator = input.value.trim() || "me";
      localStorage.setItem("lab-annotator", annotations.annotator);
    };
    return input;
  }

  show() {
    const { marking, root } = this;
    const { model } = marking;
    if (!model.data) return;
    this.showLabels();
    this.showQuestion();
    this.mark.textContent = marking.pending ? "Mark end (M)" : "Mark start (M)";
    this.watch.textContent = marking.watching ? "Watched to (C)" : "Watched from (C)";
    const { marks, percent } = marking.annotations.progress(marking.label, model.data);
    this.state.textContent = `${marks} annotated, ${percent} % watched`;
    root.dataset.annotations = marks;
    root.dataset.watched = percent;
    this.showMarks();
  }

  // The annotations of the label, each with its origin; a click goes there.
  showMarks() {
    const { marking } = this;
    const found = marking.annotations.find({ kind: "annotation", label: marking.label });
    const ordered = [...found].sort((a, b) => a.start_us - b.start_us);
    this.heading.textContent = `Annotations of ${marking.label || "no label"}`;
    const rows = ordered.slice(0, MOST_MARKS).map(({ start_us, end_us, origin }) => {
      const text = `${mediaTime(start_us / 1e6)} to ${mediaTime(end_us / 1e6)}`;
      const row = element(
        "button",
        { className: "mark", title: "Go there" },
        text,
        element("small", { textContent: origin }),
      );
      row.onclick = () => marking.stage.seek(start_us / 1e6);
      return row;
    });
    const more = found.length - MOST_MARKS;
    if (more > 0) rows.push(note(`and ${more} more`));
    this.list.replaceChildren(...(rows.length ? rows : [note("None yet.")]));
  }

  showBlind() {
    const { isBlind } = this.marking.model;
    this.root.classList.toggle("blind", isBlind);
    this.blind.setAttribute("aria-pressed", isBlind);
  }

  // The menu is made anew only when it lists others: it may be open.
  showLabels() {
    const listed = [...this.marking.labels(), ANOTHER];
    const { options } = this.choice;
    const isSame = [...options].map((option) => option.value).join("\n") === listed.join("\n");
    if (!isSame) {
      const texts = { [ANOTHER]: "another label…" };
      const made = listed.map((value) =>
        element("option", { value, textContent: texts[value] || value }),
      );
      this.choice.replaceChildren(...made);
    }
    this.choice.value = this.marking.label;
  }

  showQuestion() {
    const { question } = this.marking;
    this.question.hidden = !question;
    this.modes.setAsked(Boolean(question));
    if (!question) return;
    const { label, start_us, end_us, text, title } = question;
    const stretch = `${mediaTime(start_us / 1e6)} to ${mediaTime(end_us / 1e6)}`;
    this.question.replaceChildren(
      element("b", { textContent: `${title} ` }),
      element("span", {
        textContent: `Look for ${label} in ${stretch}: ${text}. Mark it with M. `,
      }),
      button("Done, all marked (Shift+Y)", "", () => this.marking.answer(false)),
      button("Nothing there (Shift+N)", "", () => this.marking.answer(true)),
    );
  }
}
