/** An element; what is text stays text. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

export const $ = (id) => document.getElementById(id);

/**
 * Makes one stop of the tabulator key of many elements: arrow keys move among
 * those that `items` gives, and the one that has the focus keeps the stop.
 */
export function roving(container, items, { across = 1, moved } = {}) {
  container.addEventListener("focusin", (event) => {
    if (event.target === container || !items().includes(event.target)) return;
    items().forEach((item) => (item.tabIndex = item === event.target ? 0 : -1));
    moved?.(event.target);
  });
  container.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const all = items();
    const place = all.indexOf(event.target);
    const target = place < 0 ? undefined : neighbour(all, place, event.key, across);
    if (target === undefined) return;
    event.preventDefault();
    target.focus();
  });
}

function neighbour(all, place, key, across) {
  const line = all[place].dataset.line;
  const other = (item) => line === undefined || item.dataset.line !== line;
  switch (key) {
    case "ArrowDown":
      return all.slice(place + 1).find(other);
    case "ArrowUp":
      return all.slice(0, place).findLast(other);
    case "ArrowRight":
      return across ? all[place + 1] : undefined;
    case "ArrowLeft":
      return across ? all[place - 1] : undefined;
    case "Home":
      return all[0];
    case "End":
      return all.at(-1);
    default:
      return undefined;
  }
}
