// Stretches of a clip, from start_us to end_us.

// How much of the clip lies in at least one of them.
export function coveredUs(spans) {
  let total_us = 0;
  let reached_us = -Infinity;
  for (const span of [...spans].sort((a, b) => a.start_us - b.start_us)) {
    total_us += Math.max(0, span.end_us - Math.max(span.start_us, reached_us));
    reached_us = Math.max(reached_us, span.end_us);
  }
  return total_us;
}

export function overlaps(a, b) {
  return a.start_us <= b.end_us && a.end_us >= b.start_us;
}

export function contains(outer, inner) {
  return outer.start_us <= inner.start_us && outer.end_us >= inner.end_us;
}

// The stretch between two times, in either order.
export function between(one_us, other_us) {
  const [start_us, end_us] = [one_us, other_us].sort((a, b) => a - b);
  return { start_us, end_us };
}

// With one edge (start_us or end_us) at another time, within the clip and not past the other edge.
export function withEdge(span, edge, time_us, { first_pts_us, end_us }) {
  const at_us = Math.round(Math.min(end_us, Math.max(first_pts_us, time_us)));
  const limit = edge === "start_us" ? Math.min(at_us, span.end_us) : Math.max(at_us, span.start_us);
  return { ...span, [edge]: limit };
}
