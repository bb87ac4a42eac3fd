// Elements of the table.
export function make(tag, className = "", ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

export function button(text, label, act) {
  const made = make("button", "", text);
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.onclick = act;
  return made;
}

export function checkbox(label) {
  const made = make("input");
  made.type = "checkbox";
  made.setAttribute("aria-label", label);
  return made;
}

export function set(element, name, value) {
  if (element[name] !== value) element[name] = value;
}
