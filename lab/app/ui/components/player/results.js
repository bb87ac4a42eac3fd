// The figures and the table of sightings.
import { isWithin } from "./clip_time.js";
import { button, element, figureElement, tableHead } from "./elements.js";
import { counted, endInWords, mediaTime, wallTime } from "./formatting.js";
import { countTexts, figureTexts, labelText, sightingTexts } from "./result_texts.js";
import { RowKeys } from "./row_keys.js";
import { verdictOn } from "./verdicts.js";

const MOST_LABELS = 12;
const MOST_ROWS = 200; // more of them only when they are asked for
// [head, class of its cells]; wide: only where the list is shown as a table; clock: only of a
// recording.
const COLUMNS = [
  ["", "thumb"],
  ["Label", "label"],
  ["Time of day", "clock"],
  ["Onset", "onset"],
  ["Offset", "wide"],
  ["Duration", "duration"],
  ["Peak score", "peak"],
  ["Alert", "wide"],
  ["Most at once", "most"],
  ["Ended by", "wide"],
  ["Right?", "judge"],
];
const NO_SIGHTING =
  "No sighting with this rule. Lower “Enter at”, or require fewer samples in “Enter after”; " +
  "“Weak boxes” shows detections below the threshold.";
const ALL_FAILED =
  "Every sample failed: nothing of this clip could be decoded or analysed, so this run says " +
  "nothing about what was in it.";

export class Results {
  constructor(model, stage, marking, root) {
    Object.assign(this, { model, stage, marking, root });
    this.table = root.querySelector(".rows table");
    this.counts = root.querySelector(".counts");
    this.numbers = root.querySelector(".numbers");
    this.list = root.querySelector(".rows");
    this.buildListing();
    this.rowKeys = new RowKeys(this.table);
    this.listed = MOST_ROWS;
    model.addEventListener("opened", () => this.clear());
    model.addEventListener("sightings", () => this.show());
    model.addEventListener("rule", () => this.markStale());
    model.addEventListener("failed", () => this.fail());
    model.addEventListener("time", () => this.markCurrent());
  }

  // The head of the list: how many, and the button that makes it a table and back.
  buildListing() {
    this.listing = element("span");
    this.enlarge = button("⤢", "All columns, over the whole width", () => this.toggleTable());
    this.list.prepend(element("div", { className: "listing" }, this.listing, this.enlarge));
    this.opener = button("Sightings", "The list of sightings", () => this.toggleTable());
    this.opener.className = "only-narrow";
    this.root.querySelector(".figures").append(this.opener);
  }

  // Where the list is hidden, what opened it gets the focus back.
  toggleTable() {
    this.list.classList.toggle("is-table");
    this.enlarge.textContent = this.isTable() ? "✕" : "⤢";
    this.enlarge.setAttribute("aria-expanded", this.isTable());
    (this.list.clientWidth ? this.enlarge : this.opener).focus({ preventScroll: true });
  }

  isTable() {
    return this.list.classList.contains("is-table");
  }

  // Whether it was one.
  closeTable() {
    const wasTable = this.isTable();
    if (wasTable) this.toggleTable();
    return wasTable;
  }

  // Figures that are older than the rule look so, where the new ones take long.
  markStale() {
    this.root.classList.toggle("stale", !this.model.isCurrent());
  }

  fail() {
    if (!this.model.answer) this.clear();
    this.markStale();
  }

  // Nothing of the run or the rule before is left.
  clear() {
    this.table.replaceChildren();
    this.counts.replaceChildren();
    this.numbers.replaceChildren();
    this.listing.textContent = "";
    this.listed = MOST_ROWS;
    this.root.classList.remove("stale");
    delete this.root.dataset.sightings;
    delete this.root.dataset.ruleHash;
  }

  show() {
    const { sightings, rule_hash } = this.model.answer;
    this.markStale();
    this.showFigures();
    const rows = sightings.slice(0, this.listed).map((sighting) => this.row(sighting));
    if (!rows.length) rows.push(this.emptyRow());
    const left = sightings.length - this.listed;
    if (left > 0) rows.push(this.moreRow(left));
    const heads = COLUMNS.map(([textContent, of]) =>
      element("th", { textContent, className: of === "clock" ? of : "" }),
    );
    this.root.classList.toggle("has-clock", this.hasClock());
    this.listing.textContent = counted(sightings.length, "sighting");
    this.rowKeys.keepFocus(() =>
      this.table.replaceChildren(tableHead(...heads), element("tbody", {}, ...rows)),
    );
    this.root.dataset.sightings = sightings.length;
    this.root.dataset.ruleHash = rule_hash;
    this.markCurrent();
  }

  showFigures() {
    const { figures } = this.model.answer;
    this.counts.replaceChildren(...countTexts(figures).map((parts) => figureElement(...parts)));
    const parts = figureTexts(figures, this.model.data.gate);
    this.numbers.replaceChildren(...parts.map(([value, text]) => figureElement(value, text)));
    if (figures.by_label.length < 2) return;
    const lines = figures.by_label
      .slice(0, MOST_LABELS)
      .map((label) => element("div", { textContent: labelText(label) }));
    this.numbers.append(element("div", { className: "by" }, ...lines));
  }

  // A day may have thousands, and each row has a picture.
  moreRow(left) {
    const textContent = `${counted(left, "more sighting")}. Show more`;
    const more = element("button", { className: "more", textContent });
    more.onclick = () => {
      this.listed += MOST_ROWS;
      this.show();
    };
    return element("tr", {}, element("td", { colSpan: COLUMNS.length }, more));
  }

  emptyRow() {
    const { log, labels } = this.model;
    let text = NO_SIGHTING;
    if (!labels.length) text = "Nothing was detected above the score floor in this run.";
    if (!log.samples) text = "No samples yet.";
    const { samples, failed } = this.model.answer.figures;
    if (samples && failed === samples) text = ALL_FAILED;
    const cell = { className: "empty", colSpan: COLUMNS.length, textContent: text };
    return element("tr", {}, element("td", cell));
  }

  row(sighting) {
    const { onset_s, onset_earliest_s, offset_latest_s, peak_s, close_reason } = sighting;
    const picture = `${this.model.data.media_id}/${Math.round(peak_s * 1e6)}.jpg`;
    const image = element("img", { loading: "lazy", alt: "", src: `/api/pictures/${picture}` });
    const { start_ms } = this.model.data;
    const limits = `between ${mediaTime(onset_earliest_s)} and ${mediaTime(offset_latest_s)}`;
    const day = this.hasClock() ? `${wallTime(start_ms, onset_s)}, ` : "";
    const ended = endInWords(close_reason, this.model.data.state);
    const row = element(
      "tr",
      { className: "sighting", tabIndex: 0, title: day + limits },
      element("td", { className: "thumb" }, image),
      ...[...sightingTexts(sighting, start_ms), ended].map((textContent, i) =>
        element("td", { className: COLUMNS[i + 1][1], textContent }),
      ),
      this.verdictCell(sighting),
    );
    row.sighting = sighting;
    row.onclick = () => this.stage.goTo(onset_s);
    row.onkeydown = (event) => {
      if (event.key !== "Enter") return;
      event.stopPropagation();
      row.onclick();
    };
    return row;
  }

  // Of what was recorded live people think by the clock.
  hasClock() {
    const { is_recording, start_ms } = this.model.data;
    return Boolean(is_recording) && Number.isFinite(start_ms);
  }

  // Accept or reject, and which it is already.
  verdictCell(sighting) {
    const known = verdictOn(this.marking.annotations, sighting);
    const verdictButton = (text, title, verdict) => {
      const made = button(text, title, (event) => {
        event.stopPropagation();
        this.marking.judgeSighting(sighting, verdict);
      });
      made.setAttribute("aria-pressed", known === verdict);
      return made;
    };
    const accept = verdictButton("✓", "Right", "accepted");
    const reject = verdictButton("✗", "Wrong", "rejected");
    return element("td", { className: "judge" }, accept, reject);
  }

  // Which rows are of the playhead.
  markCurrent() {
    const now_s = this.stage.pts_s;
    for (const row of this.table.querySelectorAll("tr.sighting")) {
      row.classList.toggle("now", isWithin(row.sighting, now_s, 0.002));
    }
  }
}
