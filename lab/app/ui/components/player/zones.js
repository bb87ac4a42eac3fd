// Which boxes count: by their size and by zones, which are fractions of the picture.

export function isInside(polygon, [x, y]) {
  let isIn = false;
  let [x0, y0] = polygon.at(-1);
  for (const [x1, y1] of polygon) {
    const isCrossing = y1 > y !== y0 > y;
    if (isCrossing && x < ((x0 - x1) * (y - y1)) / (y0 - y1) + x1) isIn = !isIn;
    x0 = x1;
    y0 = y1;
  }
  return isIn;
}

export function passesAll({ min_area_fraction, max_area_fraction, include, exclude }) {
  const isAnySize = min_area_fraction <= 0 && max_area_fraction >= 1;
  return isAnySize && !include.length && !exclude.length;
}

// For drawing only: sightings are the server's. A box is where the middle of its lower edge is.
export function passes(filter, [x1, y1, x2, y2], [width, height]) {
  const area = ((x2 - x1) * (y2 - y1)) / (width * height);
  if (area < filter.min_area_fraction || area > filter.max_area_fraction) return false;
  const clamp = (v) => Math.min(1 - 1e-9, Math.max(1e-9, v));
  const foot = [clamp((x1 + x2) / 2 / width), clamp(y2 / height)];
  if (filter.include.length && !filter.include.some((zone) => isInside(zone, foot))) return false;
  return !filter.exclude.some((zone) => isInside(zone, foot));
}

// A corner from a click at x, y on a picture of that size on the page.
export function cornerAt(x, y, width, height) {
  const fraction = (v, size) => Math.round(1e4 * Math.min(1, Math.max(0, v / size))) / 1e4;
  return [fraction(x, width), fraction(y, height)];
}

const CROSS_STEP = 0.02; // of the picture
const FINE_STEP = 0.002;
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// Where an arrow key moves the cross that draws a zone without a mouse.
export function movedCross([x, y], key, isSlow) {
  const step = isSlow ? FINE_STEP : CROSS_STEP;
  const [right, down] = DIRECTIONS[key];
  return cornerAt(x + right * step, y + down * step, 1, 1);
}

// The corners with one more, unless it is the last again.
export function withCorner(points, corner) {
  const last = points.at(-1);
  const isSame = last && last[0] === corner[0] && last[1] === corner[1];
  return isSame ? points : [...points, corner];
}

export function setAreaFraction(filter, name, value) {
  filter[name] = Math.min(1, Math.max(0, value));
  const other = name === "min_area_fraction" ? "max_area_fraction" : "min_area_fraction";
  if (filter.min_area_fraction > filter.max_area_fraction) filter[other] = filter[name];
}
