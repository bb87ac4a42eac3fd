// Colours that mean the same everywhere in the comparison of phrases.
export const PANEL_COLOURS = ["#0ea5e9", "#f59e0b", "#e879f9", "#a3a33a", "#8b5cf6", "#14b8a6"];
export const PRESENT = "#22c55e";
export const FAILED = "#ef4444";
export const UNSEEN = "#94a3b8";
