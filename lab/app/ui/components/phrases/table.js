// The figures of each phrase, as computed by Python, and the moments of most disagreement.
import { button, element, tableHead } from "../player/elements.js";
import { counted, mediaTime, rate, seconds } from "../player/formatting.js";

// [text, name, how it is shown, what it is].
const COLUMNS = [
  ["Peak", "peak_score", rate, "Highest score"],
  ["at", "peak_s", seconds, "Time of the highest score"],
  ["Sightings", "sightings", String, "Under the rule"],
  ["Present", "presence_s", seconds, "Duration of all sightings"],
  ["Over", "share_over", percent, "Samples at or above the enter threshold"],
];
const TRUTH_COLUMNS = [
  ["Mean inside", "mean_inside", rate, "Mean score during the annotations; higher is better"],
  [
    "Mean outside",
    "mean_outside",
    rate,
    "Mean score in watched stretches without annotation; lower is better",
  ],
  [
    "AUC",
    "auc",
    rate,
    "Chance that a sample inside scores higher than one outside; ties count half (Mann-Whitney)",
  ],
  ["Precision", "precision", rate, "Of its sightings"],
  ["Recall", "recall", rate, "Of the annotations"],
  ["F1", "f1", rate, "Of precision and recall"],
];

function percent(share) {
  return share === null ? "–" : `${(100 * share).toFixed(1)} %`;
}

export function fillTable(owner) {
  const { rows, best, truth } = owner.data;
  const columns = truth ? [...COLUMNS, ...TRUTH_COLUMNS] : COLUMNS;
  const heads = [["Phrase"], ...columns].map(([text, , , title = ""]) =>
    element("th", { textContent: text, title, scope: "col" }),
  );
  const body = rows.map((row) => {
    const phrase = element("td", { textContent: row.phrase, title: row.phrase });
    const cells = columns.map(([, name, show]) => {
      const isBest = (best[name] || []).includes(row.phrase);
      return name === "peak_s" ? peakCell(owner, row) : figureCell(row, name, show, isBest);
    });
    return element("tr", {}, phrase, ...cells);
  });
  owner.table.setAttribute("aria-label", "Figures by phrase");
  owner.table.replaceChildren(tableHead(...heads), element("tbody", {}, ...body));
  owner.source.textContent = sourceText(truth);
}

export function sourceText(truth) {
  if (!truth) {
    return "★ best of its column. Choose annotations above to see AUC, precision and recall.";
  }
  const { annotations, label, present_s, watched_s } = truth;
  const marks = `${counted(annotations, "annotation")} of “${label}” (${seconds(present_s)})`;
  return `Against ${marks}, ${seconds(watched_s)} watched. ★ best of its column; intervals 95 %.`;
}

function figureCell(row, name, show, isBest) {
  const cell = element("td", { className: isBest ? "best" : "" });
  cell.dataset.name = name;
  if (isBest) cell.title = "Best of this column";
  cell.append(show(row[name]));
  const limits = row[`${name}_interval`];
  if (!limits) return cell;
  const interval = limits.map((limit) => limit.toFixed(2)).join(", ");
  cell.append(element("small", { textContent: ` [${interval}]` }));
  return cell;
}

// Where the highest score is, to go there.
function peakCell(owner, { phrase, peak_s }) {
  const cell = element("td");
  cell.dataset.name = "peak_s";
  const at = mediaTime(peak_s);
  if (peak_s === null) cell.append(at);
  else {
    const link = button(at, `Go to the peak of ${phrase}, ${at}`, () => owner.seek(peak_s));
    cell.append(link);
  }
  return cell;
}

export function fillMoments(owner) {
  const links = owner.data.moments.map(({ pts_s, scores, spread }) => {
    const sorted = Object.entries(scores).sort((a, b) => b[1] - a[1]);
    const texts = sorted.map(([phrase, score]) => `${phrase} ${score.toFixed(2)}`);
    const apart = spread.toFixed(2);
    const link = element(
      "button",
      {
        ariaLabel: `Go to ${mediaTime(pts_s)}, where scores are ${apart} apart`,
        title: texts.join("\n"),
      },
      element("b", { textContent: mediaTime(pts_s) }),
      ` · ${apart} apart`,
      element("small", { textContent: [texts[0], texts.at(-1)].join(" · ") }),
    );
    link.onclick = () => owner.seek(pts_s);
    return link;
  });
  owner.moments.replaceChildren(...links);
  if (!links.length) owner.moments.append("None: the phrases have equal scores on every sample.");
}
