// The list of sightings is one stop of the Tab key, and up and down go along its rows: with a stop
// for each of hundreds of rows, what is behind the list could not be reached by keys.
const DIRECTIONS = { ArrowUp: -1, ArrowDown: 1 };

export class RowKeys {
  constructor(table) {
    this.table = table;
    table.addEventListener("focusin", ({ target }) => this.stopAt(target.closest(".sighting")));
    table.addEventListener("keydown", (event) => this.press(event));
  }

  rows() {
    return [...this.table.querySelectorAll(".sighting")];
  }

  // Tab comes to this row and its buttons, and to no other.
  stopAt(stop) {
    if (!stop) return;
    for (const row of this.rows()) {
      for (const part of partsOf(row)) part.tabIndex = row === stop ? 0 : -1;
    }
  }

  // The same place has the focus after the rows were made anew.
  keepFocus(redraw) {
    const places = () => [...this.table.querySelectorAll(".sighting, .sighting button, .more")];
    const place = places().indexOf(this.table.getRootNode().activeElement);
    redraw();
    this.stopAt(this.rows()[0]);
    if (place >= 0) places()[place]?.focus({ preventScroll: true });
  }

  // To the same part of the next row: the row itself, or one of its buttons.
  press(event) {
    const direction = DIRECTIONS[event.key];
    const rows = this.rows();
    const row = event.target.closest(".sighting");
    if (!direction || !row) return;
    event.preventDefault();
    event.stopPropagation();
    const part = partsOf(row).indexOf(event.target);
    const next = rows[rows.indexOf(row) + direction];
    if (next) partsOf(next)[part].focus();
  }
}

function partsOf(row) {
  return [row, ...row.querySelectorAll("button")];
}
