// Timers that go off, and a clock that goes on, when a test says how much time has passed.
export class FakeClock {
  constructor() {
    this.now_ms = 0;
    this.timers = new Map();
    Date.now = () => 1_800_000_000_000 + this.now_ms;
    let last = 0;
    globalThis.setTimeout = (act, delay_ms = 0) => {
      last += 1;
      this.timers.set(last, { act, due_ms: this.now_ms + delay_ms });
      return last;
    };
    globalThis.clearTimeout = (id) => {
      this.timers.delete(id);
    };
  }

  tick(duration_ms) {
    this.now_ms += duration_ms;
    const due = [...this.timers].filter(([, timer]) => timer.due_ms <= this.now_ms);
    for (const [id, { act }] of due) if (this.timers.delete(id)) act();
  }
}
