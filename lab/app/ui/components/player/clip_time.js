// Times of a clip, of its frames and of its samples.

// A frame's time in the browser may be off by this much from that of its sample.
export const NEAR_US = 1500;

// Position of the last sample at or before a time; -1 before the first.
export function sampleAt(pts_us_of, pts_us) {
  let low = 0;
  let high = pts_us_of.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (pts_us_of[middle] <= pts_us + NEAR_US) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export function isWithin(span, now_s, near_s) {
  return span.onset_s <= now_s + near_s && now_s <= span.offset_s + near_s;
}

// The next of some times in a direction (1 or -1), at least so far from now; undefined if none.
export function nextTime(times_s, now_s, direction, ahead_s, behind_s = ahead_s) {
  const sorted = [...times_s].sort((a, b) => a - b);
  if (direction > 0) return sorted.find((t) => t > now_s + ahead_s);
  return sorted.findLast((t) => t < now_s - behind_s);
}

export function clampToClip(clip, pts_s) {
  const first_s = clip.first_pts_us / 1e6;
  const last_s = Math.max(first_s, clip.end_us / 1e6 - 0.001);
  return Math.min(last_s, Math.max(first_s, pts_s));
}

// Where to set the video. Half a millisecond in: a seek to a frame's own time may round to the
// one before.
export function videoTime(pts_s, offset_us) {
  return Math.max(0, pts_s + offset_us / 1e6 + 0.0005);
}

export function frameDuration(clip) {
  return 1 / (clip.frame_rate || 25);
}
