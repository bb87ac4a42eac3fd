// What is said of feeds and sinks: states, ages, counts. Times are Unix seconds of the server.

const STATES = {
  starting: "Starting",
  live: "Live",
  reconnecting: "Reconnecting",
  frozen: "Picture frozen",
  stopped: "Stopped",
  ended: "Ended",
  failed: "Failed",
  unwatched: "Not watched",
};
const SINK_STATES = { ok: "Working", failing: "Failing", off: "Switched off" };

export const OF_FILE = "It is in the file that is watched: change it there";

export function stateWord(state) {
  return STATES[state] || state || "";
}

export function sinkWord(state) {
  return SINK_STATES[state] || state || "";
}

// Such as 3 s, 5 min, 2 h, 4 d.
export function age(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  return s < 172_800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86_400)} d`;
}

// By the clock of who looks; with the date where it is not of the last hours.
export function moment(unix_s, now) {
  const at = new Date(unix_s * 1000);
  const isNear = Math.abs(now - unix_s) < 43_200;
  const two = (n) => String(n).padStart(2, "0");
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (isNear) return `${time}:${two(at.getSeconds())}`;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

export function count(n, one, many = `${one}s`) {
  return `${Number(n || 0).toLocaleString()} ${n === 1 ? one : many}`;
}

// Since when a feed is in its state, how far behind it is, and when it is tried again.
export function stateDetails(row, now) {
  const parts = [];
  if (row.since) parts.push(`since ${moment(row.since, now)}`);
  if (row.state === "live" && row.lag_s !== null) parts.push(`lag ${row.lag_s.toFixed(1)} s`);
  if (row.retry_at) {
    const left_s = row.retry_at - now;
    parts.push(left_s > 1 ? `next try in ${age(left_s)}` : "trying now");
  }
  return parts.join(" · ");
}

export function sightingsToday(row) {
  const found = Object.entries(row.sightings).sort((a, b) => b[1] - a[1]);
  if (!found.length) return "no sightings today";
  const few = found.slice(0, 3).map(([label, n]) => `${label} ${n.toLocaleString()}`);
  if (found.length > few.length) few.push(`${found.length - few.length} more`);
  return `today: ${few.join(", ")}`;
}

// How the last control of a feed went; one that failed is among its problems.
export function controlWords(control, now) {
  if (!control) return "";
  if (control.state === "playing") return "a control is played now";
  const next = control.next_at ? `next control ${moment(control.next_at, now)}` : "";
  if (control.state !== "ok") return next;
  return [`${moment(control.at, now)}: ${control.text}`, next].filter(Boolean).join(" · ");
}

// What is behind the short line of a feed.
export function figures(row) {
  const size = row.width_px ? `${row.width_px} × ${row.height_px} px` : null;
  const seconds = (s) => (s === null || s === undefined ? null : `${s.toFixed(2)} s`);
  return [
    ["Detector", row.detector],
    ["Sampling", row.every_s ? `every ${row.every_s} s` : null],
    ["Picture", size],
    ["Lag", seconds(row.lag_s)],
    ["Inference", seconds(row.inference_s)],
    ["Decoded", count(row.decoded, "frame")],
    ["Analysed", count(row.analysed, "sample")],
    ["Skipped", count(row.skipped, "sample")],
    ["Failed", count(row.failed, "sample")],
    ["Reconnects", String(row.reconnects || 0)],
    ["Compared with", row.compared_with],
  ].filter(([, value]) => value);
}
