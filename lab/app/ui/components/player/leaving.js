// What is told to Python while the viewer goes to another page, and the address of that page.
//
// Streamlit runs the page that a report comes from: one that follows a click on another page's link
// takes the click back. So what is told after such a click waits until it is clear who stayed. And
// an address that Python wrote for the page that is left may arrive after the click's own.
const STAYED_MS = 3000;

export class Leaving {
  constructor(root) {
    this.root = root;
    this.send = () => {};
    this.waiting = new Map(); // the last value of each name
    this.wanted = null; // { address, from } of the click
    const forget = () => {
      this.wanted = null;
    };
    const note = (event) => {
      if (this.wanted) forget();
      else if (!root.isConnected) document.removeEventListener("click", note, { capture: true });
      const address = root.isConnected && addressOfOtherPage(event);
      if (address) this.leave(address);
    };
    document.addEventListener("click", note, { capture: true });
    addEventListener("popstate", forget);
  }

  tell(name, value) {
    if (this.isLeaving) this.waiting.set(name, value);
    else this.send(name, value);
  }

  leave(address) {
    this.isLeaving = true;
    this.wanted = { address, from: location.pathname };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.arrive(), STAYED_MS);
  }

  // At the other page, or still at this one.
  arrive() {
    const { wanted } = this;
    this.wanted = null;
    if (!this.root.isConnected) {
      const isOld = wanted && location.pathname === wanted.from;
      if (isOld) history.replaceState(history.state, "", wanted.address);
      return;
    }
    this.isLeaving = false;
    for (const [name, value] of this.waiting) this.send(name, value);
    this.waiting.clear();
  }
}

// Of the page of this app that a click opens in this tab; null if it opens none.
function addressOfOtherPage(event) {
  const link = event.composedPath().find((one) => one.tagName === "A" && one.href);
  const isElsewhere = event.button > 0 || event.ctrlKey || event.metaKey || event.shiftKey;
  if (!link || link.target || isElsewhere) return null;
  const { origin, pathname } = new URL(link.href, location.href);
  return origin === location.origin && pathname !== location.pathname ? link.href : null;
}
