// Figures and rows of the list of sightings, as texts.
import { counted, mediaTime, rate, seconds, timeOfDay } from "./formatting.js";

// [value, what it is] of each figure.
export function figureTexts(figures, isGated) {
  const { samples, failed, gated, gaps, by_label, most_at_once } = figures;
  const counts = [`${samples} samples`, `${failed} failed`];
  if (gated || isGated) counts.push(`${gated} gated`);
  counts.push(`${gaps} gaps`);
  const any = by_label.length > 1 ? " of any label" : "";
  const most = seconds(figures.presence_most_s);
  return [
    [figures.sightings, "sightings"],
    [seconds(figures.presence_s), `presence${any} (at most ${most})`],
    [seconds(figures.analysed_s), `analysed: ${counts.join(", ")}`],
    [rate(figures.alerts_per_hour, 1), `alerts an hour (${figures.alerts} in all)`],
    [most_at_once, "most at once: boxes of one label on one sample"],
  ];
}

export function labelText({ label, sightings, presence_s, alerts_per_hour, most_at_once }) {
  const alerts = `${rate(alerts_per_hour, 1)} alerts an hour`;
  const found = `${counted(sightings, "sighting")}, ${seconds(presence_s)}`;
  return `${label}: ${found}, ${alerts}, most at once ${most_at_once}`;
}

// [value, what it is] of the figures that are always in sight.
export function countTexts({ sightings, presence_s, most_at_once }) {
  return [
    [sightings, sightings === 1 ? "sighting" : "sightings"],
    [seconds(presence_s), "present"],
    [most_at_once, "at once"],
  ];
}

// Label, time of day, onset, offset, duration, peak, alert and boxes at once of a row. A limit
// where the clip or run cuts it. start_ms: as of `wallTime`.
export function sightingTexts(sighting, start_ms) {
  return [
    sighting.label,
    timeOfDay(start_ms, sighting.onset_s),
    (sighting.censored_left ? "≤ " : "") + mediaTime(sighting.onset_s),
    (sighting.censored_right ? "≥ " : "") + mediaTime(sighting.offset_s),
    seconds(sighting.duration_s),
    sighting.peak_confidence.toFixed(2),
    sighting.alert_s === null ? "silenced" : mediaTime(sighting.alert_s),
    sighting.most_at_once,
  ];
}
