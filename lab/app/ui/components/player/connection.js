// Whether the app answers and lets this page in; where it does not, it is asked until it does.
const LOOK_AGAIN_MS = 2000;
const AWAY = "The app does not answer; is it still running? This page goes on when it is back.";
const REFUSED =
  "The app does not let this page in any more. Open the address that it printed when it started " +
  "(it ends with ?token=…); this page then loads itself again.";

// Event: "changed", when there is a problem, another one, or none any more.
export class Connection extends EventTarget {
  constructor() {
    super();
    this.problem = null;
    this.wasRefused = false;
  }

  // A request failed or was refused: is it the app, or what was asked for?
  async look() {
    if (this.isLooking) return;
    this.isLooking = true;
    clearTimeout(this.timer);
    const before = this.problem;
    this.problem = await problemOfApp();
    this.isLooking = false;
    this.wasRefused ||= this.problem === REFUSED;
    if (this.problem) this.timer = setTimeout(() => this.look(), LOOK_AGAIN_MS);
    // What it knew of the page's session is gone as well.
    else if (this.wasRefused) location.reload();
    if (this.problem !== before) this.dispatchEvent(new Event("changed"));
  }
}

async function problemOfApp() {
  try {
    const { ok, status } = await fetch("/api/health", { cache: "no-store" });
    if (ok) return null;
    return status === 401 || status === 403 ? REFUSED : AWAY;
  } catch {
    return AWAY;
  }
}
