// Tune or Annotate: which panel is at the right, and which buttons are in the bar.
import { button, element } from "./elements.js";

const KEPT = "lab-mode";
const MODES = { tune: "Tune", annotate: "Annotate" };

export class Modes {
  constructor(root) {
    this.root = root;
    this.isAsked = false;
    this.side = root.querySelector(".side");
    this.marks = root.querySelector(".marks");
    this.mode = localStorage.getItem(KEPT) === "annotate" ? "annotate" : "tune";
    this.buttons = Object.entries(MODES).map(([mode, text]) => {
      const made = button(text, "", () => this.choose(mode));
      made.dataset.mode = mode;
      return made;
    });
    this.sheet = button("Settings", "Show or hide the settings", () => this.toggleSheet());
    this.sheet.className = "only-narrow";
    const switched = { className: "switch", role: "group", ariaLabel: "Mode" };
    this.control = element("div", switched, ...this.buttons, this.sheet);
    this.show();
  }

  choose(mode) {
    this.mode = mode;
    localStorage.setItem(KEPT, mode);
    this.show();
  }

  // A question is answered by annotating, whatever the user tunes otherwise.
  setAsked(isAsked) {
    if (isAsked === this.isAsked) return;
    this.isAsked = isAsked;
    this.show();
  }

  show() {
    const shown = this.isAsked ? "annotate" : this.mode;
    this.root.dataset.mode = shown;
    this.side.hidden = shown !== "tune";
    this.marks.hidden = shown !== "annotate";
    for (const made of this.buttons) {
      made.setAttribute("aria-pressed", made.dataset.mode === shown);
      made.disabled = this.isAsked && made.dataset.mode !== shown;
    }
    this.showSheet();
  }

  // In a narrow window the panel comes from below.
  toggleSheet() {
    this.root.classList.toggle("is-sheet-open");
    this.showSheet();
    const panel = this.side.hidden ? this.marks : this.side;
    (this.isSheetOpen() ? panel : this.sheet).focus({ preventScroll: true });
    if (this.isSheetOpen()) panel.scrollIntoView?.({ block: "nearest" }); // where the page scrolls
  }

  isSheetOpen() {
    return this.root.classList.contains("is-sheet-open");
  }

  // Whether it was open.
  closeSheet() {
    const wasOpen = this.isSheetOpen();
    if (wasOpen) this.toggleSheet();
    return wasOpen;
  }

  showSheet() {
    this.sheet.setAttribute("aria-expanded", this.isSheetOpen());
  }
}
