/* global document */

/** Creates an element. Children that are text stay text. */
export function element(name, properties = {}, ...children) {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...children);
  return created;
}

/** A block of text that can be scrolled with the keyboard. */
export function textBlock(label, text) {
  const block = element("pre", { tabIndex: 0 }, element("code", {}, text));
  block.setAttribute("role", "region");
  block.setAttribute("aria-label", label);
  return block;
}

/** JSON with line breaks, and with every digit of its numbers; other text as it is. */
export function formatted(text) {
  try {
    const exact = (_key, value, { source } = {}) =>
      typeof value === "number" && source !== undefined ? JSON.rawJSON(source) : value;
    return JSON.stringify(JSON.parse(text, exact), null, 2);
  } catch {
    return text;
  }
}
