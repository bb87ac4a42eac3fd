// Elements of the page, and canvases that are sharp on every screen.

// Properties that begin with aria, and role, become attributes.
export function element(tag, props = {}, ...children) {
  const made = Object.assign(document.createElement(tag), props);
  for (const [name, value] of Object.entries(props)) {
    if (!name.startsWith("aria") && name !== "role") continue;
    made.setAttribute(name.replace(/([A-Z])/, "-$1").toLowerCase(), value);
  }
  made.append(...children);
  return made;
}

// title: what it does, where its text does not say so.
export function button(text, title, act) {
  const named = title ? { title, ariaLabel: title } : {};
  const made = element("button", { textContent: text, ...named });
  made.onclick = act;
  return made;
}

// A click by hand gives the keys back to the component; one by a key leaves the focus where it is.
export function giveKeysBack(root, event) {
  if (event?.detail) root.focus({ preventScroll: true });
}

export function note(text, className = "note") {
  return element("span", { className, textContent: text });
}

// A value, and what it is.
export function figureElement(value, text) {
  const b = element("b", { textContent: value });
  return element("div", { className: "figure" }, b, " ", element("span", { textContent: text }));
}

export function tableHead(...cells) {
  return element("thead", {}, element("tr", {}, ...cells));
}

// The cleared drawing context of a canvas, in the page's pixels.
export function contextOf(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  const w = Math.round(width * ratio);
  const h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.globalAlpha = 1;
  g.setLineDash([]);
  g.clearRect(0, 0, width, height);
  return g;
}

export function drawLine(g, x1, y1, x2, y2) {
  g.beginPath();
  g.moveTo(x1, y1);
  g.lineTo(x2, y2);
  g.stroke();
}

// Draw again with the next picture of the screen, once however often it is called.
export function onNextFrame(draw) {
  let isQueued = false;
  return () => {
    if (isQueued) return;
    isQueued = true;
    requestAnimationFrame(() => {
      isQueued = false;
      draw();
    });
  };
}
