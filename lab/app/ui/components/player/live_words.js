// How a feed is, in words.
import { counted, timeOfDay } from "./formatting.js";

const RETRY = (s) => (s > 0 ? ` Next try in ${Math.ceil(s)} s.` : " Trying again.");

// What lies over the picture; "" while all is well. now_s: Unix seconds.
export function messageOf(status, now_s) {
  const because = status.reason ? `: ${status.reason}` : "";
  const words = {
    live: status.problem || "",
    starting: "Connecting to the source…",
    reconnecting: `The source is away${because}.${RETRY((status.retry_at ?? 0) - now_s)}`,
    frozen: `The picture is frozen${because}.`,
    stopped: "This feed is stopped. What was recorded is on the timeline.",
    ended: "The source has ended. What was recorded is on the timeline.",
    failed: `This feed failed${because}.`,
  };
  return words[status.state] ?? "Nobody watches this feed now.";
}

const BADGES = {
  live: "Live",
  starting: "Starting",
  reconnecting: "Reconnecting",
  frozen: "Frozen",
};

// How the source is, in a word.
export const badgeOf = (state) => BADGES[state] || "";

// behind_s: how old the picture is that is shown; null where none is.
export function ageOf(behind_s) {
  return behind_s === null ? "" : `picture ${behind_s.toFixed(1)} s old`;
}

// The facts beside the badge and the age.
export function factsOf(status) {
  if (!status.state) return "";
  const number = (value) => (value ?? 0).toLocaleString("en");
  const facts = [
    `${number(status.decoded)} decoded`,
    `${number(status.analysed)} analysed`,
    `${number(status.skipped)} skipped`,
  ];
  if (status.failed) facts.push(`${number(status.failed)} failed`);
  if (status.reconnects) facts.push(counted(status.reconnects, "reconnect"));
  if (Number.isFinite(status.lag_s)) facts.push(`decided ${status.lag_s.toFixed(1)} s behind`);
  return facts.join(" · ");
}

const KINDS = { opened: "is there", closed: "is gone", alerted: "alert", updated: "" };

// What happened, in a line that begins with the time of day; "" for what need not be said.
// start_ms: as of `wallTime`.
export function eventInWords(event, start_ms) {
  const { kind, label, peak_confidence, is_test } = event;
  const what = KINDS[kind];
  if (!what || is_test) return "";
  const at = timeOfDay(start_ms, kind === "closed" ? event.offset_s : event.onset_s);
  return `${at ? `${at} ` : ""}${label}: ${what} (${peak_confidence.toFixed(2)})`;
}
