// What a verdict on a sighting changes in the annotations.
import { overlaps } from "./spans.js";

// verdict: accepted or rejected. Gives { add, remove }: the records to add, the verdict first, and
// the ids of those that go. An accepted sighting becomes an annotation unless one is there.
export function verdictChange(annotations, { label, onset_s, offset_s }, verdict) {
  const span = spanOf({ label, onset_s, offset_s });
  const before = annotations.findMine({ kind: "verdict", ...span });
  // An annotation that was accepted here before goes when the verdict changes.
  const copied = annotations.findMine({ kind: "annotation", origin: "accepted", ...span });
  const others = annotations.find({ kind: "annotation", label });
  const isAnnotated = others.some((other) => overlaps(other, span) && !copied.includes(other));
  const add = [{ kind: "verdict", ...span, verdict }];
  if (verdict === "accepted" && !isAnnotated) {
    add.push({ kind: "annotation", ...span, origin: "accepted" });
  }
  return { add, remove: [...before, ...copied].map((record) => record.id) };
}

// The verdict on a sighting; undefined if there is none.
export function verdictOn(annotations, sighting) {
  return annotations.find({ kind: "verdict", ...spanOf(sighting) })[0]?.verdict;
}

function spanOf({ label, onset_s, offset_s }) {
  return { label, start_us: Math.round(onset_s * 1e6), end_us: Math.round(offset_s * 1e6) };
}
