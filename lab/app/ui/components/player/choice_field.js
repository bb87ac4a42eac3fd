// A setting of the rule that is one of a few.
import { element } from "./elements.js";

// choice: its name, title, label for those who do not see it, and the text of each value.
// omitted: the value that a rule does not say.
export function choiceField(model, { name, title, label, values, omitted }) {
  const options = Object.entries(values).map(([value, textContent]) =>
    element("option", { value, textContent }),
  );
  const select = element("select", { ariaLabel: label }, ...options);
  select.onchange = () => {
    model.edit(({ debounce }) => {
      if (select.value === omitted) delete debounce[name];
      else debounce[name] = select.value;
    });
    model.emit("released");
  };
  select.style.gridColumn = "2 / 4";
  return { field: element("label", { className: "field" }, title, select), select };
}
