// As much of a page's elements as the components touch; they are not laid out, nothing is drawn.
const NOT_ATTRIBUTES = new Set(["children", "parent", "dataset", "style", "classList"]);

class FakeStyle {
  setProperty(name, value) {
    this[name] = value;
  }
}

class FakeClassList {
  constructor(owner) {
    this.owner = owner;
  }
  get names() {
    return new Set(this.owner.className.split(" ").filter(Boolean));
  }
  set names(names) {
    this.owner.className = [...names].join(" ");
  }
  contains(name) {
    return this.names.has(name);
  }
  add(name) {
    this.toggle(name, true);
  }
  remove(name) {
    this.toggle(name, false);
  }
  toggle(name, isOn = !this.contains(name)) {
    const { names } = this;
    if (isOn) names.add(name);
    else names.delete(name);
    this.names = names;
  }
}

export class FakeElement extends EventTarget {
  constructor(tag) {
    super();
    this.tagName = tag.toUpperCase();
    this.children = [];
    this.parent = null;
    this.className = "";
    this.hidden = false;
    this.dataset = {};
    this.style = new FakeStyle();
    this.attributes = new Map();
    this.classList = new FakeClassList(this);
    this.clientWidth = 100;
    this.clientHeight = 50;
    this.drawn = [];
  }

  append(...children) {
    for (const child of children) {
      if (child instanceof FakeElement) child.parent = this;
      this.children.push(child);
    }
  }

  prepend(...children) {
    const before = this.children;
    this.children = [];
    this.append(...children, ...before);
  }

  replaceChildren(...children) {
    this.children = [];
    this.append(...children);
  }

  insertBefore(child, next) {
    child.remove();
    const at = next ? this.children.indexOf(next) : this.children.length;
    this.children.splice(at, 0, child);
    child.parent = this;
  }

  remove() {
    if (this.parent) this.parent.children = this.parent.children.filter((one) => one !== this);
    this.parent = null;
  }

  get lastChild() {
    const last = this.children.length - 1,
      owner = this;
    return {
      set textContent(text) {
        owner.children[last] = text;
      },
    };
  }

  get options() {
    return this.children.filter((child) => child.tagName === "OPTION");
  }

  get textContent() {
    return this.children.map((child) => child.textContent ?? String(child)).join("");
  }

  set textContent(text) {
    this.children = text === "" ? [] : [String(text)];
  }

  setAttribute(name, value) {
    this.attributes.set(name, String(value));
  }
  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }
  removeAttribute(name) {
    this.attributes.delete(name);
    if (!NOT_ATTRIBUTES.has(name)) delete this[name];
  }

  matches(selectors) {
    return selectors
      .split(",")
      .map((one) => one.trim())
      .some((selector) => {
        const [tag, ...classes] = selector.split(".");
        const isTag = !tag || tag.toUpperCase() === this.tagName;
        return isTag && classes.every((name) => this.classList.contains(name));
      });
  }

  querySelectorAll(selector) {
    const steps = selector.split(" "),
      below = (element) =>
        element.children.filter((c) => c instanceof FakeElement).flatMap((c) => [c, ...below(c)]);
    let found = [this];
    for (const step of steps) found = found.flatMap(below).filter((e) => e.matches(step));
    return found;
  }

  querySelector(selector) {
    return this.querySelectorAll(selector)[0] ?? null;
  }
  get parentElement() {
    return this.parent;
  }
  getRootNode() {
    return { activeElement: null };
  }
  getBoundingClientRect() {
    return { left: 0, top: 0, width: this.clientWidth, height: this.clientHeight };
  }

  // Keeps the calls, so that a test can see what was drawn.
  getContext() {
    const { drawn } = this;
    return new Proxy(
      {},
      {
        get: (kept, name) => {
          if (name in kept) return kept[name];
          if (name === "measureText") return (text) => ({ width: 6 * text.length });
          return (...given) => {
            drawn.push([name, ...given]);
          };
        },
      },
    );
  }

  showModal() {
    this.open = true;
  }
  close() {
    this.open = false;
  }
  focus() {}
  blur() {}
  click() {
    this.onclick?.({ target: this });
  }
  scrollIntoView() {}
  setPointerCapture() {}
}
