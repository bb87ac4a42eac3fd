// Where the captions of boxes stand, so that none covers another.
export const CAPTION_PX = 17;
const STEPS = 6; // how far from its box a caption may move

// wanted: { x, top, bottom, width } of each, the most important first. The same with left and y,
// null for one that has no room: its place is taken by more important ones. taken: what lies over
// the picture already, { left, y, width, height } of each.
export function placeCaptions(wanted, width, height, taken = []) {
  const placed = [...taken];
  return wanted.map((one) => {
    const left = Math.max(0, Math.min(one.x, width - one.width));
    const free = placesOf(one, height).find(
      (y) => !placed.some((other) => isCovered({ left, y, width: one.width }, other)),
    );
    if (free === undefined) return null;
    const place = { left, y: free, width: one.width };
    placed.push(place);
    return place;
  });
}

// Above the box, inside it, below it, and then further away.
function placesOf({ top, bottom }, height) {
  const least = (y) => Math.max(0, Math.min(y, height - CAPTION_PX));
  const places = [top - CAPTION_PX, top, bottom];
  for (let step = 1; step <= STEPS; step++) {
    places.push(top + step * CAPTION_PX, top - (step + 1) * CAPTION_PX);
  }
  return places.map(least);
}

function isCovered(one, other) {
  const isBeside = one.left + one.width <= other.left || other.left + other.width <= one.left;
  const { y, height = CAPTION_PX } = other;
  return !isBeside && one.y < y + height && y < one.y + CAPTION_PX;
}
