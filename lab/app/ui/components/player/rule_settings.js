// The settings of a rule, and how a change of one moves others.

// A rule may give these counts in seconds; the count is then what the seconds come to.
const IN_SECONDS = { enter_frames: "enter_s", enter_window: "enter_s", exit_frames: "exit_s" };

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
  if (name in IN_SECONDS) delete d[IN_SECONDS[name]];
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
