// A page of fake elements, and what else the components look for in a browser.
import { webcrypto } from "node:crypto";
import events from "node:events";

import { FakeClock } from "./fake_clock.js";
import { FakeElement } from "./fake_element.js";

class FakeVideo extends FakeElement {
  constructor() {
    super("video");
    Object.assign(this, {
      paused: true,
      muted: true,
      seeking: false,
      readyState: 2,
      currentTime: 0,
    });
  }

  requestVideoFrameCallback(present) {
    this.present = present;
  }
  showFrame(mediaTime) {
    this.present(0, { mediaTime });
  }
  load() {
    if (!this.src) this.readyState = 0; // nothing of the clip before is left
  }
  async play() {
    this.paused = false;
    this.dispatchEvent(new Event("play"));
  }
  pause() {
    this.paused = true;
    this.dispatchEvent(new Event("pause"));
  }
}

export function make(tag, className = "", ...children) {
  const made = tag === "video" ? new FakeVideo() : new FakeElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

function makeStorage() {
  const kept = new Map();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, String(value)),
    removeItem: (name) => kept.delete(name),
  };
}

// Put the page's names where the components look for them. Gives the page's clock.
export function openPage() {
  events.defaultMaxListeners = 100;
  globalThis.crypto ??= webcrypto; // the oldest Node that is supported has neither
  globalThis.CustomEvent ??= class extends Event {
    constructor(name, { detail } = {}) {
      super(name);
      this.detail = detail;
    }
  };
  Object.assign(globalThis, {
    document: Object.assign(new EventTarget(), { createElement: (tag) => make(tag) }),
    localStorage: makeStorage(),
    sessionStorage: makeStorage(),
    devicePixelRatio: 1,
    innerHeight: 800,
    innerWidth: 1200,
    matchMedia: () => ({ matches: false }),
    getComputedStyle: () => ({ color: "#000", getPropertyValue: () => "#fff" }),
    ResizeObserver: class {
      observe() {}
    },
    requestAnimationFrame: (draw) => {
      draw();
    },
    addEventListener: () => {},
    location: {
      origin: "http://here",
      href: "http://here/review",
      pathname: "/review",
      search: "",
      loads: 0,
      reload() {
        this.loads += 1;
      },
    },
  });
  return new FakeClock();
}

export function playerPage() {
  return make(
    "div",
    "lab",
    make("div", "question"),
    make(
      "div",
      "watch",
      make(
        "div",
        "stage",
        make("div", "picture", make("video"), make("canvas", "overlay")),
        make("div", "message"),
      ),
      make("div", "rows", make("table")),
    ),
    make("div", "transport"),
    make("canvas", "overview"),
    make("div", "lanes", make("canvas", "timeline"), make("div", "why")),
    make("div", "figures"),
    make("div", "annotate"),
    make("div", "side"),
    make("div", "marks"),
    make(
      "div",
      "drawer",
      ...["numbers", "truth", "decided", "code", "annotated"].map((name) => make("div", name)),
    ),
  );
}

export function duetPage() {
  return make(
    "div",
    "duet",
    make("video"),
    make("figcaption", "a"),
    make("canvas", "left"),
    make("figcaption", "b"),
    make("canvas", "right"),
    make("div", "bar"),
    make("canvas", "strip"),
    make("div", "note"),
  );
}

export function phrasesPage() {
  return make(
    "div",
    "phrases",
    make("video"),
    make("div", "panels"),
    make("div", "bar"),
    make("div", "note"),
    make("canvas", "tracks"),
    make("div", "legend"),
    make("table", "figures"),
    make("div", "source"),
    make("div", "moments"),
  );
}
