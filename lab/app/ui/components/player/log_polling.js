// Asks for the overview of a run's log, again and again while the run goes on.
const ACTIVE_MS = 1500;
const RESTING_MS = 5000;
const PAUSE_PER_MS = 4; // of waiting for the last answer: a long log is asked for less often

export class LogPolling {
  constructor(model) {
    this.model = model;
    this.lookAt = 0;
  }

  async fetch() {
    const { model } = this;
    clearTimeout(this.timer);
    const begun = Date.now();
    const answer = await model.requests.binary("log", model.address("overview"));
    if (!answer) return;
    if (answer.ok) model.setLog(answer.body);
    else model.fail(answer.body);
    if (answer.ok) this.wait(PAUSE_PER_MS * (Date.now() - begun));
  }

  // A run that is not done may go on, here or elsewhere.
  wait(pause_ms) {
    this.lookAt = Date.now() + pause_ms;
    const { adding, state } = this.model.log;
    const isActive = state === "running" || adding.length > 0;
    if (state === "done" && !isActive) return;
    const every_ms = isActive ? ACTIVE_MS : RESTING_MS;
    this.timer = setTimeout(() => this.fetch(), every_ms + pause_ms);
  }

  // Something new is known to be there.
  look() {
    const { data, requests } = this.model;
    if (data && !requests.isPending("log") && Date.now() >= this.lookAt) this.fetch();
  }
}
