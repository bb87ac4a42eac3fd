// Which clips of the page are marked. What is sent is the whole page's marks, so that it does not
// matter if one of several quick messages is lost.
export class Marks {
  constructor() {
    this.ids = [];
    this.on = new Set();
    this.version = null;
    this.last = null;
  }

  // The server's marks count on another page, and when it changed them itself.
  take({ rows, marked, version }) {
    const ids = rows.map((row) => row.id);
    if (version === this.version && ids.join() === this.ids.join()) return;
    this.ids = ids;
    this.version = version;
    this.on = new Set(marked);
    this.last = null;
  }

  has(id) {
    return this.on.has(id);
  }

  areAll() {
    return this.ids.length > 0 && this.ids.every((id) => this.on.has(id));
  }

  // isRange: all from the one that was changed last.
  set(id, isOn, isRange) {
    let first = this.ids.indexOf(id);
    let last = first;
    const from = this.ids.indexOf(this.last);
    if (isRange && from >= 0) [first, last] = [Math.min(first, from), Math.max(first, from)];
    for (const one of this.ids.slice(first, last + 1)) this.mark(one, isOn);
    this.last = id;
  }

  setAll(isOn) {
    for (const id of this.ids) this.mark(id, isOn);
  }

  mark(id, isOn) {
    if (isOn) this.on.add(id);
    else this.on.delete(id);
  }

  message() {
    return { page: this.ids, on: this.ids.filter((id) => this.on.has(id)), version: this.version };
  }
}
