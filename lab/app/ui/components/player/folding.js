// Groups of fields that are folded or open, as the user left them.
import { element } from "./elements.js";

const KEPT = "lab-open-groups";
const OPEN_AT_FIRST = ["Labels", "Presence"];

export function folding(title, ...fields) {
  const summary = element("summary", { textContent: title });
  const made = element("details", { open: openGroups().includes(title) }, summary, ...fields);
  made.addEventListener("toggle", () => keep(title, made.open));
  return made;
}

function openGroups() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT));
    return Array.isArray(kept) ? kept : OPEN_AT_FIRST;
  } catch {
    return OPEN_AT_FIRST;
  }
}

function keep(title, isOpen) {
  const others = openGroups().filter((other) => other !== title);
  localStorage.setItem(KEPT, JSON.stringify(isOpen ? [...others, title] : others));
}
