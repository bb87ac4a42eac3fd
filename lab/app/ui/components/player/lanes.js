// What is drawn in the timeline's lanes: scores, thresholds, sightings, failures, and sound.
import { sampleAt } from "./clip_time.js";
import { strokeCurve } from "./curve.js";
import { drawLine } from "./elements.js";

export const LANE_PX = 36;
const TOP_PX = 4; // where the score is 1
const SCORE_PX = 28; // from 0 to 1
const FONT = "11px sans-serif";
const SCALE_FONT = "9px sans-serif";
const LABEL_FONT = "600 12px sans-serif";
const FAILED = "#ef4444";
const SKIPPED = "#94a3b8";
const IS_FAILED = 1; // of a curve's state
const IS_SKIPPED = 2;
const THRESHOLDS = { enter_threshold: "enter at", exit_threshold: "exit below" };

// The place of a score in a lane, and how much of a score a pixel is.
export const scoreY = (top, score) => top + TOP_PX + (1 - score) * SCORE_PX;
export const SCORE_PER_PX = 1 / SCORE_PX;

export class Lanes {
  constructor(model, scale) {
    Object.assign(this, { model, scale });
    this.held = null; // the threshold that is dragged: { label, name, x }
  }

  draw(g, labels, { bands, sound, ink, paper }) {
    Object.assign(this, { bands, ink, paper });
    g.font = FONT;
    labels.forEach((label, i) => this.drawLane(g, label, i * LANE_PX));
    if (sound.isThere) sound.draw(g, this.scale, labels.length * LANE_PX, ink);
    if (sound.isThere) this.drawName(g, sound.title, labels.length * LANE_PX);
  }

  drawLane(g, label, top) {
    const { model, scale } = this;
    const curve = model.curves.of(label, scale.from * 1e6, scale.to * 1e6);
    this.drawScale(g, top);
    if (!model.isBlind) {
      for (const sighting of model.sightings()) {
        if (sighting.label === label && this.isShown(sighting)) {
          this.drawSighting(g, sighting, top);
        }
      }
      if (curve) this.drawCurve(g, label, curve, top);
    }
    this.bands.drawTrack(g, label, top);
    this.drawThresholds(g, label, top);
    if (curve) this.drawUnseen(g, curve, scoreY(top, 0));
    this.drawName(g, label, top);
  }

  // 0, .5 and 1, and where one lane ends.
  drawScale(g, top) {
    const { width } = this.scale;
    g.fillStyle = this.ink;
    g.globalAlpha = 0.25;
    g.fillRect(0, top + LANE_PX - 1, width, 1);
    g.globalAlpha = 0.12;
    g.fillRect(0, Math.round(scoreY(top, 0.5)), width, 1);
    g.font = SCALE_FONT;
    g.globalAlpha = 0.75;
    for (const [score, text, down] of [
      [1, "1", 6],
      [0.5, ".5", 3],
      [0, "0", 0],
    ]) {
      g.fillText(text, width - g.measureText(text).width - 2, scoreY(top, score) + down);
    }
    g.font = FONT;
    g.globalAlpha = 1;
  }

  isShown({ onset_earliest_s, offset_latest_s }) {
    return onset_earliest_s <= this.scale.to && offset_latest_s >= this.scale.from;
  }

  drawSighting(g, sighting, top) {
    const x = (time_s) => this.scale.x(time_s);
    const { onset_s, offset_s, onset_earliest_s, offset_latest_s, alert_s } = sighting;
    const wide = Math.max(2, x(offset_s) - x(onset_s));
    const least = x(onset_earliest_s);
    g.fillStyle = this.model.colour(sighting.label);
    g.globalAlpha = 0.16;
    g.fillRect(least, top + 2, x(offset_latest_s) - least, LANE_PX - 4);
    g.globalAlpha = alert_s === null ? 0.25 : 0.45;
    g.fillRect(x(onset_s), top + 1, wide, 4);
    g.globalAlpha = 0.22;
    g.fillRect(x(onset_s), top + 2, wide, LANE_PX - 4);
    g.globalAlpha = 1;
    if (alert_s === null) return;
    g.fillStyle = this.ink;
    g.beginPath();
    g.arc(x(alert_s), top + 4, 2.5, 0, 7);
    g.fill();
  }

  drawCurve(g, label, { at_us, high, low, isExact }, top) {
    const { scale } = this;
    g.strokeStyle = this.model.colour(label);
    g.lineWidth = 1.5;
    strokeCurve(g, {
      curve: high,
      low: isExact ? null : low,
      x: (i) => scale.x(at_us[i] / 1e6),
      y: (score) => scoreY(top, score),
      first: Math.max(0, sampleAt(at_us, scale.from * 1e6)),
      last: Math.min(at_us.length - 1, sampleAt(at_us, scale.to * 1e6) + 1),
      width: scale.width,
    });
  }

  // The one for leaving is dashed; one that is dragged is thick and says where it is.
  drawThresholds(g, label, top) {
    const { debounce } = this.model.ruleOf(label);
    for (const name of Object.keys(THRESHOLDS)) {
      const isHeld = this.held?.label === label && this.held.name === name;
      const y = scoreY(top, debounce[name]);
      g.strokeStyle = this.ink;
      g.lineWidth = isHeld ? 2 : 1;
      g.globalAlpha = isHeld ? 1 : 0.7;
      g.setLineDash(name === "exit_threshold" ? [4, 4] : []);
      drawLine(g, 0, y, this.scale.width, y);
      g.setLineDash([]);
      g.globalAlpha = 1;
    }
    const { held } = this;
    if (held?.label !== label) return;
    this.drawHeld(g, `${THRESHOLDS[held.name]} ${debounce[held.name]}`, top);
  }

  drawHeld(g, text, top) {
    const wide = g.measureText(text).width + 8;
    const left = Math.min(Math.max(0, this.held.x + 12), this.scale.width - wide);
    g.fillStyle = this.paper;
    g.fillRect(left, top + 9, wide, 16);
    g.fillStyle = this.ink;
    g.fillText(text, left + 4, top + 21);
  }

  // The threshold under a point of the lanes: { label, name }; null if none is within reach.
  thresholdAt(x, y, labels, reach_px) {
    const lane = Math.floor(y / LANE_PX);
    const label = labels[lane];
    if (!label) return null;
    const { debounce } = this.model.ruleOf(label);
    const near = Object.keys(THRESHOLDS).map((name) => {
      return { label, name, distance: Math.abs(scoreY(lane * LANE_PX, debounce[name]) - y) };
    });
    // Where both are one line, it is the one for entering.
    const [nearest] = near.sort((a, b) => a.distance - b.distance);
    return nearest.distance <= reach_px ? nearest : null;
  }

  // Samples that failed, that were gated, or that were not analysed yet.
  drawUnseen(g, { at_us, state }, base) {
    const x = (i) => this.scale.x(at_us[i] / 1e6);
    state.forEach((mark, i) => {
      if (!mark) return;
      g.fillStyle = FAILED;
      if (mark & IS_FAILED) g.fillRect(x(i) - 1, base - 5, 3, 8);
      g.fillStyle = SKIPPED;
      const wide = i + 1 < at_us.length ? x(i + 1) - x(i) : 0;
      if (mark & IS_SKIPPED) g.fillRect(x(i), base, Math.max(1, wide), 3);
    });
  }

  drawName(g, name, top) {
    g.font = LABEL_FONT;
    g.fillStyle = this.paper;
    g.globalAlpha = 0.8;
    g.fillRect(3, top + 4, g.measureText(name).width + 7, 16);
    g.globalAlpha = 1;
    g.fillStyle = this.ink;
    g.fillText(name, 6, top + 16);
    g.font = FONT;
  }
}
