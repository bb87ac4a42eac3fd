// Which boxes count: zones, and the smallest and largest part of the picture.
import { button, element } from "./elements.js";
import { counted } from "./formatting.js";
import { setAreaFraction } from "./zones.js";

const DRAWING =
  "Click the corners in the picture, or move the cross with the arrow keys and press Space. " +
  "Enter finishes, Esc cancels.";

export class ZonePanel {
  constructor(model, stage) {
    Object.assign(this, { model, stage });
    this.include = button("Draw zone", "", () => this.toggleDrawing("include"));
    this.exclude = button("Draw exclusion", "", () => this.toggleDrawing("exclude"));
    this.clearButton = button("Clear", "", () => this.clear());
    this.zoneNote = element("div", { className: "note" });
    this.areas = {};
    this.elements = [
      element("div", { className: "chips" }, this.include, this.exclude, this.clearButton),
      this.zoneNote,
      this.areaField("min_area_fraction", "Smallest area, %"),
      this.areaField("max_area_fraction", "Largest area, %"),
    ];
  }

  toggleDrawing(kind) {
    if (this.stage.drawing) this.stage.endZone(true);
    else this.stage.startZone(kind);
  }

  clear() {
    this.model.edit(({ box_filter }) => Object.assign(box_filter, { include: [], exclude: [] }));
    this.model.emit("released");
  }

  areaField(name, text) {
    const settings = { type: "number", min: 0, max: 100, step: 0.1, ariaLabel: text };
    const input = element("input", settings);
    input.onchange = () => {
      const value = Number(input.value) / 100;
      this.model.edit(({ box_filter }) => setAreaFraction(box_filter, name, value));
      this.model.emit("released");
    };
    input.style.gridColumn = "2 / 4";
    this.areas[name] = input;
    return element("label", { className: "field" }, text, input);
  }

  show(filter) {
    for (const [name, input] of Object.entries(this.areas)) {
      input.value = Number((100 * filter[name]).toFixed(3));
    }
    const { drawing } = this.stage;
    const isDrawing = (kind) => drawing?.kind === kind;
    this.include.textContent = isDrawing("include") ? "Finish zone" : "Draw zone";
    this.exclude.textContent = isDrawing("exclude") ? "Finish exclusion" : "Draw exclusion";
    const { include, exclude } = filter;
    this.zoneNote.textContent = drawing
      ? DRAWING
      : `${counted(include.length, "zone")}, ${counted(exclude.length, "exclusion")}. ` +
        "A box counts where the middle of its lower edge lies.";
  }
}
