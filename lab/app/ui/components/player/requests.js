// Requests to the app whose answers count only while what they were asked for is still shown.
import { unpack } from "./binary.js";

export class Requests {
  // onTrouble: called when the app did not answer, or refused a request.
  constructor(onTrouble = () => {}) {
    this.onTrouble = onTrouble;
    this.pending = new Map();
  }

  isPending(kind) {
    return this.pending.has(kind);
  }

  // The answer, { ok, body }; null when a newer request of its kind, or cancel(), came before it.
  async send(kind, address, options = {}, read = (response) => response.json()) {
    this.cancel(kind);
    const mine = new AbortController();
    this.pending.set(kind, mine);
    const isCurrent = () => this.pending.get(kind) === mine;
    let answer;
    let isTrouble = false;
    try {
      const response = await fetch(address, { ...options, signal: mine.signal });
      isTrouble = response.status === 401 || response.status === 403;
      const body = response.ok ? await read(response) : await response.text();
      answer = { ok: response.ok, body };
    } catch (problem) {
      const body = `the app does not answer (${problem.message}); is it still running?`;
      answer = { ok: false, body };
      isTrouble = true;
    }
    if (!isCurrent()) return null;
    this.pending.delete(kind);
    if (isTrouble) this.onTrouble();
    return answer;
  }

  post(kind, address, value) {
    return this.send(kind, address, jsonPost(value));
  }

  // The same for an answer of arrays.
  binary(kind, address, options = {}) {
    return this.send(kind, address, options, async (response) =>
      unpack(await response.arrayBuffer()),
    );
  }

  postForBinary(kind, address, value) {
    return this.binary(kind, address, jsonPost(value));
  }

  cancel(kind) {
    this.pending.get(kind)?.abort();
    this.pending.delete(kind);
  }

  cancelAll() {
    for (const kind of [...this.pending.keys()]) this.cancel(kind);
  }
}

// What fetch needs to send a value as JSON.
export function jsonPost(value) {
  const headers = { "Content-Type": "application/json" };
  return { method: "POST", headers, body: JSON.stringify(value) };
}
