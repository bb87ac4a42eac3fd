// Numbers and times as people read them.

// A time in the clip: 0:12.30, 13:40.60, 1:02:03.00; a dash where there is none.
export function mediaTime(s) {
  if (s === null || s === undefined) return "–";
  return clock(s, 2);
}

// How long something lasts: 12.30 s, 4:05.00; a dash where that is not known.
export function seconds(s) {
  if (s === null || s === undefined) return "–";
  const rounded = Math.round(s * 100) / 100 || 0; // not minus nothing
  return Math.abs(rounded) < 60 ? `${rounded.toFixed(2)} s` : clock(s, 2);
}

function clock(s, digits) {
  const parts = 10 ** digits; // of a second
  const whole = Math.round(Math.abs(s) * parts);
  const minutes = Math.floor(whole / (60 * parts));
  const rest = ((whole - 60 * parts * minutes) / parts).toFixed(digits);
  const hours = Math.floor(minutes / 60);
  const before = hours ? `${hours}:${String(minutes - 60 * hours).padStart(2, "0")}` : minutes;
  const sign = s < 0 && whole > 0 ? "-" : "";
  return `${sign}${before}:${rest.padStart(digits ? digits + 3 : 2, "0")}`;
}

// When it was, such as 2026-05-01 18:30:07; "" where that is not known. start_ms: the clip's time 0
// by local time, as if that were UTC.
export function wallTime(start_ms, pts_s) {
  if (start_ms === null || start_ms === undefined) return "";
  const text = new Date(start_ms + Math.floor(pts_s * 1000)).toISOString();
  return text.slice(0, 19).replace("T", " ");
}

// The same without the day: 18:30:07.
export const timeOfDay = (start_ms, pts_s) => wallTime(start_ms, pts_s).slice(11);

export function rate(value, digits = 2) {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

// "1 sample", "2 samples".
export function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

const LONGEST_TEXT = 30;

// A name that is not longer than a line can hold.
export function shortened(text) {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT - 1)}…` : text;
}

const TICK_STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600];
const TICK_PX = 90;

// Times and texts of an axis that is width_px long.
export function ticks(from_s, to_s, width_px) {
  const least_s = (to_s - from_s) / Math.max(2, width_px / TICK_PX);
  const step_s = TICK_STEPS_S.find((s) => s >= least_s) || 7200;
  const made = [];
  for (let n = Math.ceil(from_s / step_s - 1e-9); n * step_s <= to_s + 1e-9; n++) {
    made.push({ time_s: n * step_s, text: clock(n * step_s, step_s < 1 ? 1 : 0) });
  }
  return made;
}

const ENDS = {
  exit: "exit",
  end: "end of the clip",
  gap: "gap in the samples",
  cancelled: "run stopped",
  error: "run failed",
};

// What ended a sighting. state: of its run.
export function endInWords(reason, state) {
  return reason === "end" && state === "running" ? "not over yet" : ENDS[reason];
}
