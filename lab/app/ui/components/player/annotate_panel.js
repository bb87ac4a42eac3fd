// The buttons below the timeline that add annotations.
import { button, element, note } from "./elements.js";
import { seconds } from "./formatting.js";

const ANOTHER = "+"; // the option with which a new label is typed

export class AnnotatePanel {
  constructor(marking, root) {
    Object.assign(this, { marking, root });
    this.panel = root.querySelector(".annotate");
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
      button(text, title, () => {
        act();
        this.root.focus({ preventScroll: true });
      });
    this.question = element("div", { className: "question", hidden: true });
    this.mark = add("Mark start (M)", "Mark the start, then the end (M)", () =>
      marking.mark(),
    );
    this.watch = add("Watched from (C)", "Mark what was watched: start, then end (C)", () =>
      marking.watch(),
    );
    this.blind = add("Blind (H)", "Hide what the detector saw (H)", () => marking.toggleBlind());
    this.state = note("");
    this.message = element("span", { className: "note", role: "status" });
    const buttons = [
      this.mark,
      this.watch,
      add("Whole clip watched (V)", "The whole clip was watched for this label (V)", () =>
        marking.watchWhole(),
      ),
      add("Accept (Y)", "The sighting at the playhead is right (Y)", () =>
        marking.judge("accepted"),
      ),
      add("Reject (N)", "The sighting at the playhead is wrong (N)", () =>
        marking.judge("rejected"),
      ),
      add("Erase (X)", "Delete the annotation at the playhead (X)", () => marking.erase()),
      add("Undo (Z)", "Undo the last change (Z)", () => marking.undoing.undo()),
      add("Redo", "Make it again (Shift+Z)", () => marking.undoing.redo()),
      this.blind,
    ];
    const title = element("b", { textContent: "Annotate" });
    const fields = [title, this.labelMenu(), ...buttons, this.annotatorField()];
    const chips = element("div", { className: "chips" }, ...fields, this.state, this.message);
    this.panel.replaceChildren(this.question, chips);
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
    if (!question) return;
    const { label, start_us, end_us, text, title } = question;
    const stretch = `${seconds(start_us / 1e6)} to ${seconds(end_us / 1e6)}`;
    this.question.replaceChildren(
      element("b", { textContent: `${title} ` }),
      `Look for ${label} in ${stretch}: ${text}. Mark it with M. `,
      button("Done, all marked (Shift+Y)", "", () => this.marking.answer(false)),
      button("Nothing there (Shift+N)", "", () => this.marking.answer(true)),
    );
  }
}
