// A curve of scores over time: a line through the samples, broken where one was not analysed.
// Where samples are denser than the screen, one stroke a column of pixels, lowest to highest.

// curve: the scores; x(i), y(score): the place of a sample; first, last: the samples to draw.
// low: where each stands for many samples, the lowest of their scores; curve has the highest then.
export function strokeCurve(g, { curve, low = null, x, y, first, last, width }) {
  g.beginPath();
  const isDense = low || last - first > 2 * width;
  if (isDense) addColumns(g, { curve, lowest: low || curve, x, y, first, last });
  else addLines(g, { curve, x, y, first, last });
  g.stroke();
}

function addLines(g, { curve, x, y, first, last }) {
  let isDown = false;
  for (let i = first; i <= last; i++) {
    if (Number.isNaN(curve[i])) {
      isDown = false;
      continue;
    }
    if (isDown) g.lineTo(x(i), y(curve[i]));
    else g.moveTo(x(i), y(curve[i]));
    // One sample alone is a short dash.
    if (!isDown && Number.isNaN(curve[i + 1] ?? NaN)) g.lineTo(x(i) + 2, y(curve[i]));
    isDown = true;
  }
}

function addColumns(g, { curve, lowest, x, y, first, last }) {
  let column = null;
  let low = 0;
  let high = 0;
  const stroke = () => {
    if (column === null) return;
    g.moveTo(column + 0.5, y(low) + 0.5);
    g.lineTo(column + 0.5, y(high) - 0.5);
  };
  for (let i = first; i <= last; i++) {
    const score = curve[i];
    if (Number.isNaN(score)) continue;
    if (Math.floor(x(i)) !== column) {
      stroke();
      column = Math.floor(x(i));
      low = high = score;
    }
    low = Math.min(low, lowest[i]);
    high = Math.max(high, score);
  }
  stroke();
}
