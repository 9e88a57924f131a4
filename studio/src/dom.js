// Elements. What others wrote (prompts, captions, file names) only ever becomes text.

/** The element with this id. */
export function find(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

/** A new element with properties and children; strings become text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Seconds as people read them. */
export function seconds(value) {
  return `${value.toFixed(value < 10 ? 2 : 1)} s`;
}

/** Whether keys belong to what has the focus: somebody is typing there. */
export function typing(target) {
  const fields = "textarea, select, input:not([type=range]):not([type=radio]):not([type=checkbox])";
  return target instanceof Element && target.matches(fields);
}
