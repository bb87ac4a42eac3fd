// A clip and its keys, for the comparisons.

// It begins at 1 s; the browser's clock begins at 0.
export const CLIP = {
  media_id: "m",
  src: "/clip.mp4",
  src_wait: "",
  first_pts_us: 1_000_000,
  end_us: 11_000_000,
  browser_offset_us: -1_000_000,
  size_px: [100, 50],
  frame_rate: 10,
};

export function press(root, key, { shiftKey = false } = {}) {
  const event = Object.assign(new Event("keydown"), { key, shiftKey, composedPath: () => [root] });
  root.dispatchEvent(event);
}
