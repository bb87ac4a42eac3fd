// Undo and redo as the user asks for them, with what was done said.

export class Undoing {
  constructor(history, stage, marking) {
    Object.assign(this, { history, stage, marking });
  }

  // Of annotations, rule and zones, the last thing; of a zone that is being drawn, its last corner.
  undo() {
    if (this.stage.takeBackCorner()) return;
    const step = this.history.undo();
    this.marking.say(step ? `Undone: ${step.what}.` : "Nothing to undo.");
  }

  redo() {
    const step = this.history.redo();
    this.marking.say(step ? `Done again: ${step.what}.` : "Nothing to do again.");
  }
}
