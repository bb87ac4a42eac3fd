// The table of sightings, the figures, and why.
import { element, seconds } from "./formatting.js";

export class Results {
  constructor(model, stage, root) {
    Object.assign(this, { model, stage, root });
    this.table = root.querySelector(".rows table"); this.figures = root.querySelector(".figures"); this.why = root.querySelector(".why");
    model.addEventListener("sightings", () => { this.show(); this.ask(); this.showDecisions(); });
    model.addEventListener("opened", () => this.clear());
    model.addEventListener("rule", () => { for (const kind of ["explain", "decisions"]) model.requests.cancel(kind); });
    model.addEventListener("failed", () => root.classList.add("stale"));
    model.addEventListener("blind", () => { this.ask(); });
    this.decided = element("details", {}, element("summary", { textContent: "All decisions, and what would have turned each" }));
    this.list = element("div", { className: "list" });
    this.decided.append(this.list); root.querySelector(".decided").append(this.decided);
    this.decided.addEventListener("toggle", () => this.showDecisions());
    model.addEventListener("time", () => { this.mark(); this.ask(); });
  }

  // Nothing of the run before is left.
  clear() {
    clearTimeout(this.timer);
    for (const part of [this.table, this.figures, this.why, this.list]) part.replaceChildren();
    this.root.classList.remove("stale");
    delete this.root.dataset.sightings; delete this.root.dataset.ruleHash;
  }

  show() {
    const { model: m } = this, { sightings, figures: f } = m.answer;
    this.root.classList.remove("stale");
    const figure = (value, text) => element("div", {}, element("b", { textContent: value }), element("span", { textContent: text }));
    this.figures.replaceChildren(
      figure(f.sightings, "sightings"),
      figure(seconds(f.presence_s), `presence${f.by_label.length > 1 ? " of any label" : ""} (at most ${seconds(f.presence_most_s)})`),
      figure(seconds(f.analysed_s), `analysed: ${f.samples} samples, ${f.failed} failed, ${f.gated || this.model.data.gate ? `${f.gated} gated, ` : ""}${f.gaps} gaps`),
      figure(f.alerts_per_hour === null ? "–" : f.alerts_per_hour.toFixed(1), `alerts an hour (${f.alerts} in all)`),
    );
    if (f.by_label.length > 1) this.figures.append(element("div", { className: "by" }, ...f.by_label.slice(0, 12).map((b) => element("span", { textContent: `${b.label}: ${b.sightings} sighting${b.sightings === 1 ? "" : "s"}, ${seconds(b.presence_s)}, ${b.alerts_per_hour === null ? "–" : b.alerts_per_hour.toFixed(1)} alerts an hour` }))));
    const heads = ["", "Label", "Onset", "Offset", "Duration", "Peak", "Alert", "End", "Right?"];
    const body = sightings.map((s) => this.row(s));
    if (!body.length) {
      const text = !m.log.pts_us.length ? "No samples yet." : !m.seen.length ? "Nothing was detected above the score floor in this run." : m.log.pts_us.length ? "No sighting with these settings. Lower “Enter at”, or ask for fewer samples in “Enter after”; “Weak boxes” shows what lies below." : "No samples yet.";
      body.push(element("tr", {}, element("td", { className: "empty", colSpan: heads.length, textContent: text })));
    }
    this.table.replaceChildren(element("thead", {}, element("tr", {}, ...heads.map((h, i) => element("th", { textContent: h, className: i === 7 ? "wide" : "" })))), element("tbody", {}, ...body));
    this.root.dataset.sightings = sightings.length;
    this.root.dataset.ruleHash = m.answer.rule_hash;
    this.mark();
  }

  row(s) {
    const peak_us = Math.round(s.peak_s * 1e6), id = this.model.data.media_id;
    const image = element("img", { loading: "lazy", alt: "", src: `/api/pictures/${id}/${peak_us}.jpg` });
    const ends = { exit: "left", end: "still there at the end", cancelled: "run was cancelled", error: "run broke off" };
    const cells = [s.label, (s.censored_left ? "≤ " : "") + seconds(s.onset_s), (s.censored_right ? "≥ " : "") + seconds(s.offset_s), seconds(s.duration_s), s.peak_confidence.toFixed(2), s.alert_s === null ? "silenced" : seconds(s.alert_s)];
    const row = element("tr", { className: "hit", tabIndex: 0, title: `between ${seconds(s.onset_earliest_s)} and ${seconds(s.offset_latest_s)}` }, element("td", {}, image), ...cells.map((c) => element("td", { textContent: c })), element("td", { className: "wide", textContent: ends[s.close_reason] }), this.judge(s));
    row.sighting = s;
    row.onclick = () => { this.stage.seek(s.onset_s); this.stage.canvas.scrollIntoView({ block: "nearest", behavior: "smooth" }); };
    row.onkeydown = (e) => { if (e.key === "Enter") { e.stopPropagation(); row.onclick(); } };
    return row;
  }

  // Accept or reject, and which it is already.
  judge(s) {
    const a = this.model.annotate, at = Math.round(s.onset_s * 1e6), to = Math.round(s.offset_s * 1e6);
    const known = a && a.records.find((r) => r.kind === "verdict" && r.label === s.label && r.start_us === at && r.end_us === to);
    const button = (text, title, verdict) => { const b = element("button", { textContent: text, title, ariaLabel: title, ariaPressed: String(known?.verdict === verdict) }); b.onclick = (e) => { e.stopPropagation(); a.verdict(s, verdict); }; return b; };
    return element("td", { className: "judge" }, button("✓", "Right", "accepted"), button("✗", "Wrong", "rejected"));
  }

  mark() {
    const now = this.stage.pts_s;
    for (const row of this.table.querySelectorAll("tr.hit")) {
      row.classList.toggle("now", row.sighting.onset_s <= now + 0.002 && now <= row.sighting.offset_s + 0.002);
    }
  }

  // Why: asked of the server for the label in scope (or the first shown), not while playing.
  ask() {
    clearTimeout(this.timer);
    this.model.requests.cancel("explain");
    if (!this.stage.video.paused) return;
    this.timer = setTimeout(async () => {
      const m = this.model, label = m.scope || m.shown()[0];
      if (!label || !m.log || !m.log.pts_us.length) { this.why.textContent = ""; return; }
      const pts_s = this.stage.pts_s;
      const answer = await m.requests.post("explain", "/api/explain", { run_id: m.data.run_id, rule: m.rule, label, pts_s });
      if (!answer?.ok) return;
      const row = answer.body;
      if (m.blind) { this.why.textContent = ""; return; }
      this.why.replaceChildren(element("b", { textContent: `Why, ${label} at ${seconds(row.pts_s ?? pts_s)}: ${row.state}. ` }), row.reason);
    }, 120);
  }

  // The trace as a list: one row a decision, of the label in scope.
  async showDecisions() {
    const m = this.model, label = m.scope || m.shown()[0];
    if (!this.decided.open || !label || m.blind) return;
    const answer = await m.requests.post("decisions", "/api/decisions", { run_id: m.data.run_id, rule: m.rule, label });
    if (!answer) return;
    if (!answer.ok) { this.list.textContent = answer.body; return; }
    const rows = answer.body, words = { opened: "opened", not_opened: "not opened", closed: "closed", merged: "merged", dropped: "dropped", alerted: "alerted", silenced: "silenced" };
    this.list.replaceChildren(...(rows.length ? rows.map((d) => {
      const row = element("button", { className: "decision", title: "Go there" }, element("span", { textContent: seconds(d.pts_s) }), element("b", { textContent: words[d.kind] }), element("span", { textContent: d.reason }), element("span", { className: "turned", textContent: d.turned_by ? `otherwise with ${d.turned_by}` : "" }));
      row.onclick = () => { this.stage.seek(d.pts_s); this.stage.canvas.scrollIntoView({ block: "nearest", behavior: "smooth" }); };
      return row;
    }) : [element("span", { className: "note", textContent: `No decision about ${label} in this clip: it never came near the threshold.` })]));
  }
}
