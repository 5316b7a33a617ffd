// HTML elements. Texts go in as text, never as markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const controlsIn = (place) => [...place.querySelectorAll("button, select, input")];

// As replaceChildren; where a control in it had the focus, the one in its place gets it.
function refill(place, ...children) {
  const at = controlsIn(place).indexOf(document.activeElement);
  place.replaceChildren(...children);
  if (at >= 0) controlsIn(place)[at]?.focus();
}

// Text that may be broken where a name has a joint: after / [ , =
function breakable(text) {
  return text.split(/(?<=[/[,=])/).flatMap((part) => [part, make("wbr")]).slice(0, -1);
}

function short(label, width) {
  const room = Math.floor(width / 16);
  return label.length > room ? `${label.slice(0, room - 1)}…` : label;
}
