// The line of figures, and the drawer over the timeline with what the line has no room for.
import { button, element } from "./elements.js";

// The parts of the drawer by their tab.
const TABS = { figures: "Figures", decisions: "Decisions", code: "Code", video: "Video" };
const PARTS = {
  figures: [".numbers", ".truth"],
  decisions: [".decided"],
  code: [".code"],
  video: [".annotated"],
};

// Event: "opened", with the tab.
export class Drawer extends EventTarget {
  constructor(root) {
    super();
    this.root = root;
    this.place = root.querySelector(".drawer");
    this.tab = null; // closed
    this.tabs = this.buttons();
    const close = button("✕", "Close", () => this.open(null));
    const push = element("span", { className: "push" });
    this.place.prepend(element("div", { className: "tabs" }, ...this.tabs, push, close));
    this.openers = this.buttons();
    const counts = element("div", { className: "counts" });
    const rates = element("div", { className: "rates" });
    root.querySelector(".figures").replaceChildren(counts, rates, ...this.openers);
    this.show();
  }

  buttons() {
    return Object.entries(TABS).map(([tab, text]) => {
      const made = button(text, "", () => this.open(this.tab === tab ? null : tab));
      made.dataset.tab = tab;
      return made;
    });
  }

  // tab: null closes it. The focus goes into it, and back to the button that opened it.
  open(tab) {
    const before = this.tab;
    this.tab = tab;
    this.show();
    const buttons = tab ? this.tabs : this.openers;
    buttons.find((made) => made.dataset.tab === (tab || before))?.focus({ preventScroll: true });
    if (tab) this.dispatchEvent(new CustomEvent("opened", { detail: tab }));
  }

  // What goes on behind a tab, shown on its buttons.
  say(tab, text) {
    for (const made of [...this.tabs, ...this.openers]) {
      if (made.dataset.tab === tab) made.textContent = text ? `${TABS[tab]} ${text}` : TABS[tab];
    }
  }

  isOpen() {
    return this.tab !== null;
  }

  // Whether it was open.
  close() {
    const wasOpen = this.isOpen();
    if (wasOpen) this.open(null);
    return wasOpen;
  }

  shows(tab) {
    return this.tab === tab;
  }

  show() {
    this.place.hidden = this.tab === null;
    for (const made of [...this.tabs, ...this.openers]) {
      made.setAttribute("aria-pressed", made.dataset.tab === this.tab);
    }
    for (const [tab, parts] of Object.entries(PARTS)) {
      for (const part of parts) this.root.querySelector(part).hidden = tab !== this.tab;
    }
  }
}
