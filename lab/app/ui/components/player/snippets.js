// The rule as text that gives the same sightings elsewhere, from the server, each to copy.
import { button, element, note } from "./elements.js";

const ASK_AFTER_MS = 120; // so that a slider on its way asks nothing
const FORMS = { python: "Python", command: "Command line", yaml: "YAML", job: "Job" };
const ABOUT =
  "Each gives the same sightings. The address of this page contains the run and the rule.";
const ABOUT_JOB = "The whole analysis. Run it again anywhere: lab analyze --job job.yaml";

export class Snippets {
  constructor(model, drawer, root) {
    Object.assign(this, { model, drawer });
    this.place = root.querySelector(".code");
    this.asked = null; // what the texts are of
    drawer.addEventListener("opened", () => this.ask());
    model.addEventListener("opened", () => this.clear());
    model.addEventListener("rule", () => this.disable());
    model.addEventListener("sightings", () => this.askSoon());
    model.addEventListener("failed", () => this.clear());
    model.addEventListener("blind", () => {
      this.clear();
      this.ask();
    });
  }

  // Nothing of the run before is left.
  clear() {
    this.cancel();
    this.asked = null;
    this.place.replaceChildren();
  }

  cancel() {
    clearTimeout(this.timer);
    this.model.requests.cancel("snippets");
  }

  // Texts that are older than the rule are not copied.
  disable() {
    this.cancel();
    for (const made of this.place.querySelectorAll("button")) made.disabled = true;
  }

  askSoon() {
    clearTimeout(this.timer);
    if (this.drawer.shows("code")) this.timer = setTimeout(() => this.ask(), ASK_AFTER_MS);
  }

  async ask() {
    const { data, rule, isBlind } = this.model;
    if (!this.drawer.shows("code") || isBlind || !rule) return;
    const asked = { run_id: data.run_id, rule };
    const text = JSON.stringify(asked);
    const answer = await this.model.requests.post("snippets", "/api/snippets", asked);
    if (!answer) return;
    if (!answer.ok) {
      this.clear();
      this.place.append(note(answer.body, "note error"));
      return;
    }
    if (text === this.asked) this.enable();
    else this.fill(answer.body);
    this.asked = text;
  }

  enable() {
    for (const made of this.place.querySelectorAll("button")) made.disabled = false;
  }

  fill(texts) {
    const parts = Object.entries(FORMS).map(([form, title]) => {
      const text = texts[form];
      return text === null ? missing(title, texts[`${form}_problem`]) : snippet(title, text);
    });
    if (texts.job !== null) parts.at(-1).append(jobFile(texts.job));
    this.place.replaceChildren(note(ABOUT), ...parts);
  }
}

function missing(title, why) {
  return element("section", {}, element("b", { textContent: title }), note(why));
}

function jobFile(text) {
  const href = `data:application/yaml;charset=utf-8,${encodeURIComponent(text)}`;
  const download = button("Download job.yaml", "", () =>
    element("a", { href, download: "job.yaml" }).click(),
  );
  return element("div", {}, download, note(ABOUT_JOB));
}

function snippet(title, textContent) {
  const block = element("pre", { textContent, tabIndex: 0, role: "region", ariaLabel: title });
  const said = element("span", { className: "note", role: "status" });
  const copy = button("Copy", `Copy: ${title}`, async () => {
    said.textContent = await copied(textContent, block);
  });
  const head = element("div", {}, element("b", { textContent: title }), said, copy);
  return element("section", {}, head, block);
}

// The clipboard may be closed to the page: then the text is selected, for the browser's own copy.
async function copied(text, block) {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    getSelection().selectAllChildren(block);
    return "Selected; copy it with Ctrl+C";
  }
}
