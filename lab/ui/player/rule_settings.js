// The settings of a rule, and how a change of one moves others.

// [name, text, least, most, step]; a text alone is a heading.
export const SETTINGS = [
  ["Presence"],
  ["enter_threshold", "Enter at", 0.01, 1, 0.01],
  ["exit_threshold", "Exit below", 0.01, 1, 0.01],
  ["enter_frames", "Enter after", 1, 30, 1],
  ["enter_window", "…of the last", 1, 60, 1],
  ["exit_frames", "Exit after", 1, 60, 1],
  ["min_duration_s", "At least", 0, 30, 0.1],
  ["merge_gap_s", "Merge gap", 0, 30, 0.1],
  ["Alerts"],
  ["cooldown_s", "Cooldown", 0, 600, 1],
];

// Only a threshold has an upper limit; the range ends earlier than what may be typed.
export function limitsOf(name, least, scoreFloor) {
  return name.endsWith("threshold") ? [scoreFloor, 1] : [least, Infinity];
}

// The number that was typed, within its limits; null if it is none.
export function typedNumber(text, [least, most]) {
  const value = Number(text);
  if (text === "" || !Number.isFinite(value)) return null;
  return Math.min(most, Math.max(least, value));
}

// Set one, and move those that would contradict it. isLinked: exit follows enter; whether it still
// does comes back.
export function setSetting(debounce, name, value, isLinked) {
  const d = debounce;
  const wasWindowFull = d.enter_window === d.enter_frames;
  d[name] = value;
  switch (name) {
    case "enter_threshold":
      if (isLinked || d.exit_threshold > value) d.exit_threshold = value;
      break;
    case "exit_threshold":
      d.enter_threshold = Math.max(d.enter_threshold, value);
      return false;
    case "enter_frames":
      if (wasWindowFull || d.enter_window < value) d.enter_window = value;
      break;
    case "enter_window":
      d.enter_frames = Math.min(d.enter_frames, value);
      break;
  }
  return isLinked;
}

// A count of samples in seconds, and the reverse; "" where that says nothing.
export function secondsAndSamples(debounce, name, every_s) {
  const value = debounce[name];
  if (name.endsWith("_frames") || name === "enter_window") {
    return `${rounded(value * every_s)} s = ${value} sample${value === 1 ? "" : "s"}`;
  }
  if (!name.endsWith("_s") || !value) return "";
  const text = `${value} s = ${Math.ceil(value / every_s - 1e-9)} samples`;
  const least_s = (debounce.exit_frames + 1) * every_s;
  if (name !== "merge_gap_s" || value >= least_s) return text;
  return `${text}; too short to matter below ${rounded(least_s)} s`;
}

function rounded(value) {
  return Number(value.toFixed(3));
}
