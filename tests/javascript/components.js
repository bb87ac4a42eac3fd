// The components' own files, wherever under lab/ they lie.
import { readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const LAB = fileURLToPath(new URL("../../lab", import.meta.url));
const MAIN = path.join("player", "main.js");
const found = readdirSync(LAB, { recursive: true }).find((name) => name.endsWith(MAIN));
export const FOLDER = path.join(LAB, found, "..", "..");

export function component(name) {
  return import(pathToFileURL(path.join(FOLDER, name)));
}
