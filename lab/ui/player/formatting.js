// Words and elements that every component of ours uses.
export function seconds(s) {
  if (s === null || s === undefined) return "–";
  const m = Math.floor(Math.abs(s) / 60), rest = Math.abs(s) - 60 * m;
  return (s < 0 ? "-" : "") + (m ? `${m}:${rest.toFixed(2).padStart(5, "0")}` : `${rest.toFixed(2)} s`);
}

export function element(tag, props = {}, ...children) {
  const made = Object.assign(document.createElement(tag), props);
  for (const [k, v] of Object.entries(props)) if (k.startsWith("aria") || k === "role") made.setAttribute(k.replace(/([A-Z])/, "-$1").toLowerCase(), v);
  made.append(...children);
  return made;
}
