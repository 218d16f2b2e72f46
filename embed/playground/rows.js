// The rows of a table. Those that a change leaves as they are stay where they are:
// to lay out all of them anew takes longer than all else.

import { h } from "./dom.js";

let shown = { of: undefined, body: undefined, keys: [] };

/**
 * Shows rows in `place`: a key each, of all that it is made of, what makes it, and
 * whether it has just changed. `of` says which table it is, and `make` makes it
 * around the element for its rows.
 */
export function showRows(place, of, make, rows) {
  if (shown.of !== of || !shown.body.isConnected) {
    const body = h("tbody", { role: "rowgroup" });
    shown = { of, body, keys: [] };
    place.replaceChildren(make(body));
  }
  const { body, keys } = shown;
  const before = [...body.children];
  rows.forEach((row, at) => {
    const isSame = at < keys.length && keys[at] === row.key;
    const own = isSame ? before[at] : row.make();
    if (own.classList.contains("changed") !== row.isChanged) own.classList.toggle("changed", row.isChanged);
    if (isSame) return;
    if (before[at] === undefined) body.append(own);
    else before[at].replaceWith(own);
  });
  before.slice(rows.length).forEach((row) => row.remove());
  shown.keys = rows.map(({ key }) => key);
}

/** More rows, when a person asks for them; what is shown next begins with the first ones. */
export function appendRows(rows) {
  shown.body.append(...rows.map(({ make }) => make()));
}
