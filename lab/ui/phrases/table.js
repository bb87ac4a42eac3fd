// The figures of each phrase, as Python worked them out, and the moments of most disagreement.
import { element, seconds } from "../player/formatting.js";

export function fillTable(owner) {
  const { rows, best, truth } = owner.data;
  const rate = (v) => (v === null ? "–" : v.toFixed(2)), share = (v) => (v === null ? "–" : `${(100 * v).toFixed(1)} %`);
  const columns = [
    ["Peak", "peak_score", rate, "Highest score"], ["at", "peak_s", null, "Where the highest score is"],
    ["Sightings", "sightings", String, "Under the rule"], ["Present", "presence_s", (v) => seconds(v), "Duration of all sightings"],
    ["Over", "share_over", share, "Samples at or above the enter threshold"],
  ];
  if (truth) columns.push(
    ["Mean inside", "mean_inside", rate, "Mean score during the annotations; higher is better"], ["Mean outside", "mean_outside", rate, "Mean score in watched stretches without annotation; lower is better"],
    ["AUC", "auc", rate, "Chance that a sample inside scores higher than one outside; ties count half (Mann-Whitney)"],
    ["Precision", "precision", rate, "Of its sightings"], ["Recall", "recall", rate, "Of the annotations"], ["F1", "f1", rate, "Of precision and recall"],
  );
  owner.table.setAttribute("aria-label", "Figures by phrase");
  owner.table.replaceChildren(
    element("thead", {}, element("tr", {}, element("th", { textContent: "Phrase", scope: "col" }), ...columns.map(([text, , , title]) => element("th", { textContent: text, title, scope: "col" })))),
    element("tbody", {}, ...rows.map((row) => element("tr", {}, element("td", { textContent: row.phrase, title: row.phrase }), ...columns.map(([, name, show]) => cellOf(owner, row, name, show, (best[name] || []).includes(row.phrase)))))),
  );
  owner.source.textContent = truth ? `Against ${truth.annotations} annotation${truth.annotations === 1 ? "" : "s"} of “${truth.label}” (${seconds(truth.present_s)}), ${seconds(truth.watched_s)} watched. ★ best of its column; intervals 95 %.` : "★ best of its column. Choose annotations above to see AUC, precision and recall.";
}

export function cellOf(owner, row, name, show, isBest) {
  const td = element("td", { className: isBest ? "best" : "" });
  td.dataset.name = name;
  if (isBest) td.title = "Best of this column";
  if (name === "peak_s") {
    if (row.peak_s === null) { td.textContent = "–"; return td; }
    const go = element("button", { textContent: seconds(row.peak_s), ariaLabel: `Go to the peak of ${row.phrase}, ${seconds(row.peak_s)}` });
    go.onclick = () => owner.seek(row.peak_s);
    td.append(go);
    return td;
  }
  td.append(show(row[name]));
  const limits = row[`${name}_interval`];
  if (limits) td.append(element("small", { textContent: `${limits[0].toFixed(2)}–${limits[1].toFixed(2)}` }));
  return td;
}

export function fillMoments(owner) {
  const all = owner.data.moments;
  owner.moments.replaceChildren(...all.map((m) => {
    const sorted = Object.entries(m.scores).sort((a, b) => b[1] - a[1]), ends = [sorted[0], sorted.at(-1)];
    const b = element("button", { ariaLabel: `Go to ${seconds(m.pts_s)}, where scores are ${m.spread.toFixed(2)} apart`, title: sorted.map(([p, s]) => `${p} ${s.toFixed(2)}`).join("\n") }, element("b", { textContent: seconds(m.pts_s) }), ` · ${m.spread.toFixed(2)} apart`, element("small", { textContent: ends.map(([p, s]) => `${p} ${s.toFixed(2)}`).join(" · ") }));
    b.onclick = () => owner.seek(m.pts_s);
    return b;
  }));
  if (!all.length) owner.moments.append("None: the phrases score alike on every sample.");
}
