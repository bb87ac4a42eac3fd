// The figures of the rule against the annotations.
import { element, figureElement, note, tableHead } from "./elements.js";
import { mediaTime, rate, seconds } from "./formatting.js";

const KINDS = {
  missed: "missed",
  false: "false",
  split: "split",
  merged: "merged",
  early: "begins early",
  late: "begins late",
  ends_early: "ends early",
  ends_late: "ends late",
  censored: "cut by an end",
  below_resolution: "below resolution",
  not_analysed: "not analysed",
};
const RATES = {
  precision: "Of the sightings, the share that is right",
  recall: "Of what is annotated, the share that was found",
};
const INTERVAL = "in brackets its 95 % interval: the fewer cases, the wider";
const EDGE = "median of sighting minus annotation: − is too early, + too late";
// [head, what it is]
const COLUMNS = [
  ["Against the annotations", ""],
  ["Found", "Annotations that a sighting stands for"],
  ["False", "Sightings where nothing is annotated"],
  ["Missed", "Annotations that no sighting stands for"],
  ["Precision", RATES.precision],
  ["Recall", RATES.recall],
  ["F1", "Precision and recall in one figure, their harmonic mean: 1 is perfect"],
  ["F1 .5:.95", "Mean of F1 while the overlap that counts as found rises from 50 to 95 %"],
  ["False an hour", "False sightings in an hour of what was watched and analysed"],
  ["Onset error", `Onset: ${EDGE}`],
  ["Offset error", `Offset: ${EDGE}`],
  ["Delay", "Median time from the start of the annotation until the sighting opened"],
  ["Watched", "How much was watched for the label: only there can anything be missed"],
];
const NOT_YET = "Annotate and mark what you watched; precision and recall then follow the sliders.";
const BLIND = "Blind: what the detector saw, sightings and figures are hidden.";

export class TruthFigures {
  constructor(model, stage, root) {
    Object.assign(this, { model, stage, root });
    this.place = root.querySelector(".truth");
    this.rates = root.querySelector(".rates");
    for (const name of ["opened", "sightings", "blind", "failed"]) {
      model.addEventListener(name, () => this.show());
    }
  }

  show() {
    const { model } = this;
    const truth = model.answer?.truth;
    this.root.dataset.f1 = truth?.overall?.f1 ?? "";
    if (model.isBlind) this.say(BLIND);
    else if (model.isRefused()) this.fill([], []);
    else if (!truth) this.fill([note(NOT_YET)], [watchedFigure(0), note(NOT_YET)], NOT_YET);
    else if (truth.problem) this.say(truth.problem, "note error");
    else this.fill(this.parts(truth), this.rateFigures(truth));
  }

  say(text, className = "note") {
    this.fill([note(text, className)], [note(text, className)], text);
  }

  fill(parts, rates, title = "") {
    this.place.replaceChildren(...parts);
    this.rates.replaceChildren(...rates);
    this.rates.title = title;
  }

  // Precision, recall and what they are of, in one line.
  rateFigures({ overall, labels }) {
    const { data } = this.model;
    const whole_s = (data.end_us - data.first_pts_us) / 1e6;
    const percent = watchedPercent(labels, whole_s);
    const of = ["precision", "recall"].map((name) => rateFigure(overall, name));
    return [...of, watchedFigure(percent)];
  }

  parts(truth) {
    const figures = Object.values(truth.labels);
    const refused = new Set(figures.flatMap((figure) => Object.values(figure.refused)));
    const lines = [...refused, ...truth.notes];
    return [
      element("div", { className: "wide-table" }, figureTable(truth)),
      ...lines.map((text) => element("div", { className: "note", textContent: text })),
      this.moments(truth),
    ];
  }

  moments({ moments, moments_left_out: more, labels }) {
    const isNamed = Object.keys(labels).length > 1;
    const links = moments.map((moment) => {
      const { kind, start_s, label, text: title } = moment;
      const text = `${KINDS[kind]} ${mediaTime(start_s)}${isNamed ? ` ${label}` : ""}`;
      const link = element("button", { className: "chip", title, textContent: text });
      link.dataset.kind = kind;
      link.onclick = () => this.stage.goTo(start_s);
      return link;
    });
    const rest = more ? [note(`and ${more} more`)] : [];
    return element("div", { className: "chips moments" }, ...links, ...rest);
  }
}

// Of the time that all labels together could be watched.
export function watchedPercent(labels, whole_s) {
  const each = Object.values(labels);
  const watched_s = each.reduce((sum, { covered_s }) => sum + covered_s, 0);
  const most_s = whole_s * each.length;
  return most_s > 0 ? Math.min(100, Math.round((100 * watched_s) / most_s)) : 0;
}

function watchedFigure(percent) {
  const title = "Of the clip, for these labels: elsewhere nobody knows what was missed";
  return Object.assign(figureElement(`${percent} %`, "watched"), { title });
}

function rateFigure(overall, name) {
  const value = overall[name];
  const limits = overall[`${name}_interval`];
  const why = overall.refused?.[name] || "nothing to divide by";
  const interval = limits ? `[${limits.map((limit) => rate(limit)).join(", ")}]` : "";
  const title = value === null ? why : `${RATES[name]}; ${INTERVAL}`;
  return Object.assign(figureElement(rate(value), `${name} ${interval}`.trim()), { title });
}

function figureTable({ labels, overall, macro }) {
  const heads = COLUMNS.map(([textContent, title]) => element("th", { textContent, title }));
  const rows = Object.entries(labels);
  const body = rows.map(([label, figure]) => figureRow(label, figure));
  if (rows.length > 1) body.push(figureRow("all labels", overall), meanRow(macro));
  return element("table", {}, tableHead(...heads), element("tbody", {}, ...body));
}

function figureRow(label, figure) {
  const plain = (text) => element("td", { textContent: text });
  const below = figure.below_resolution;
  return element(
    "tr",
    {},
    plain(label),
    plain(figure.tp),
    plain(figure.fp),
    plain(`${figure.fn}${below ? ` (${below} below resolution)` : ""}`),
    rateCell(figure, "precision"),
    rateCell(figure, "recall"),
    rateCell(figure, "f1"),
    plain(rate(figure.f1_mean)),
    rateCell(figure, "false_per_hour", 1),
    errorCell(figure, "onset_error"),
    errorCell(figure, "offset_error"),
    errorCell(figure, "delay"),
    plain(seconds(figure.covered_s)),
  );
}

function meanRow(macro) {
  const means = ["precision", "recall", "f1", "f1_mean"].map((name) =>
    element("td", { textContent: rate(macro[name]) }),
  );
  const empty = ["", "", ""].map(() => element("td"));
  const label = element("td", { textContent: "mean of labels" });
  return element("tr", {}, label, ...empty, ...means, element("td", { colSpan: 5 }));
}

function rateCell(figure, name, digits = 2) {
  const value = figure[name];
  const limits = figure[`${name}_interval`];
  const why = figure.refused[name] || "nothing to divide by";
  const cell = element("td", { title: value === null ? why : INTERVAL });
  cell.append(element("b", { textContent: rate(value, digits) }));
  const interval = limits?.map((limit) => rate(limit, digits)).join(", ");
  if (interval) cell.append(element("small", { textContent: ` [${interval}]` }));
  return cell;
}

function errorCell(figure, name) {
  const { n, median_s, p05_s, p95_s } = figure[name];
  if (!n) {
    const title = figure.refused.onset_error || "no pair to compare";
    return element("td", { title, textContent: "–" });
  }
  const range = `${p05_s.toFixed(2)} to ${p95_s.toFixed(2)} s`;
  return element("td", {
    title: `${n} edges; 5 % to 95 %: ${range}`,
    textContent: `${median_s >= 0 ? "+" : ""}${median_s.toFixed(2)} s`,
  });
}
