// What was done, in one order: the last thing is undone first, whatever it was done to.
const MOST_STEPS = 200;

// A step: { of, what, undo, redo }. of: annotations or rule; what: its name for people.
export class History {
  constructor() {
    this.done = [];
    this.undone = [];
  }

  add(step) {
    this.done.push(step);
    this.undone = [];
    if (this.done.length > MOST_STEPS) this.done.shift();
  }

  // The step that was undone; undefined if there was none.
  undo() {
    const step = this.done.pop();
    if (step) this.undone.push(step);
    step?.undo();
    return step;
  }

  redo() {
    const step = this.undone.pop();
    if (step) this.done.push(step);
    step?.redo();
    return step;
  }

  // A step that was refused.
  drop(step) {
    this.keepIf((other) => other !== step);
  }

  // What it was done to is not shown any more.
  forget(of) {
    this.keepIf((step) => step.of !== of);
  }

  keepIf(isKept) {
    this.done = this.done.filter(isKept);
    this.undone = this.undone.filter(isKept);
  }
}
