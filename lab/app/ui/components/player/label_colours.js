// Which label has which colour: the same while a run goes on, when it is over, and in the video
// that is made of it (lab/runs/label_colours.py).
import { PALETTE } from "./palette.js";

const CLEAR_SCORE = 0.25; // as in lab/score_log/score_log.py

const colourAt = (number) => PALETTE[number % PALETTE.length];
const byName = (name) => [...name].reduce((sum, letter) => sum + letter.codePointAt(0), 0);

export class LabelColours {
  constructor() {
    this.forget();
  }

  forget() {
    this.labels = []; // in the order of the log
    this.clear = null; // in the order in which they were first seen clearly, where that counts
  }

  // Of the overview of a log; it may lack labels that were seen a moment ago.
  take({ labels, clear }) {
    this.labels = labels;
    if (clear) this.clear = [...new Set([...clear, ...(this.clear || [])])];
    else this.clear = null;
  }

  // Samples as they are decided, oldest first.
  see(samples) {
    if (!this.clear) return;
    for (const { boxes } of samples) {
      for (const [label, confidence] of boxes) {
        if (confidence >= CLEAR_SCORE && !this.clear.includes(label)) this.clear.push(label);
      }
    }
  }

  of(label) {
    if (!this.clear) return colourAt(Math.max(0, this.labels.indexOf(label)));
    const number = this.clear.indexOf(label);
    return colourAt(number < 0 ? byName(label) : number);
  }
}
