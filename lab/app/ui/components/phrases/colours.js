// Colours that mean the same everywhere in the comparison of phrases.
import { PALETTE } from "../player/palette.js";

export const PANEL_COLOURS = PALETTE.slice(0, 6);
export const PRESENT = "#22c55e";
export const FAILED = "#ef4444";
export const UNSEEN = "#94a3b8";
