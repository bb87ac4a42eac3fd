// The stretches of sightings, fetched before they are wanted and kept for a while.
import { Requests } from "../player/requests.js";

const MOST = 60;

export class Stretches {
  constructor() {
    this.requests = new Requests();
    this.kept = new Map(); // by sighting, promises
  }

  // The answer { ok, body }, null if it was cancelled. One that failed, or whose clip is not ready,
  // is asked for again the next time.
  get({ id }) {
    const known = this.kept.get(id);
    if (known) return known;
    const made = this.fetch(id);
    this.kept.set(id, made);
    if (this.kept.size > MOST) this.kept.delete(this.kept.keys().next().value);
    return made;
  }

  async fetch(id) {
    const address = `/api/sightings/${id}/stretch`;
    const answer = await this.requests.send(address, address);
    if (!answer?.ok || !answer.body.src) this.kept.delete(id);
    return answer;
  }

  cancel() {
    this.requests.cancelAll();
  }
}
