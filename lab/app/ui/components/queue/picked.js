// Which rows are picked: some of those that are shown, or all that are in one state, shown or not.
export class Picked {
  constructor() {
    this.rows = [];
    this.on = new Set();
    this.state = null;
    this.last = null;
  }

  // What is shown no more is picked no more, so that nothing unseen is changed with the rest.
  take(rows) {
    this.rows = rows;
    const shown = new Set(rows.map((row) => row.id));
    for (const id of this.on) if (!shown.has(id)) this.on.delete(id);
  }

  has(row) {
    return this.state ? row.state === this.state : this.on.has(row.id);
  }

  areAll() {
    return this.rows.length > 0 && this.rows.every((row) => this.has(row));
  }

  // isRange: all from the one that was changed last.
  set(id, isOn, isRange) {
    this.onlyShown();
    const ids = this.rows.map((row) => row.id);
    let first = ids.indexOf(id);
    let last = first;
    const from = ids.indexOf(this.last);
    if (isRange && from >= 0) [first, last] = [Math.min(first, from), Math.max(first, from)];
    for (const one of ids.slice(first, last + 1)) this.mark(one, isOn);
    this.last = id;
  }

  setAll(isOn) {
    this.state = null;
    for (const row of this.rows) this.mark(row.id, isOn);
  }

  setState(state) {
    this.setAll(false);
    this.state = state;
  }

  // Picked by their state, they become those that are shown.
  onlyShown() {
    const rows = this.rows.filter((row) => this.has(row));
    this.state = null;
    this.on = new Set(rows.map((row) => row.id));
  }

  mark(id, isOn) {
    if (isOn) this.on.add(id);
    else this.on.delete(id);
  }

  // How many of the picked are in each state; counts: of the whole queue.
  counts(counts) {
    if (this.state) return { [this.state]: counts[this.state] ?? 0 };
    const found = {};
    for (const row of this.rows) {
      if (this.has(row)) found[row.state] = (found[row.state] ?? 0) + 1;
    }
    return found;
  }

  message() {
    return this.state ? { state: this.state } : { ids: [...this.on] };
  }
}
