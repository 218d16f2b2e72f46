// Two texts, line by line. Lines of `/proc` begin with a name, and nearly every
// number differs, so lines are matched by their names: as `vprocctl diff` does.

/** More edits than a person reads are not looked for. */
const MOST_EDITS = 1000;

/** Pairs of lines, each with its number in its own text, or undefined. */
export function pairs(old, own) {
  const [left, right] = [split(old), split(own)];
  const rows = [];
  let [i, j] = [0, 0];
  for (const [x, y] of matches(left.map(name), right.map(name))) {
    while (i < x) rows.push([i++, undefined]);
    while (j < y) rows.push([undefined, j++]);
    rows.push([i++, j++]);
  }
  while (i < left.length) rows.push([i++, undefined]);
  while (j < right.length) rows.push([undefined, j++]);
  return rows.map(([x, y]) => ({
    old: left[x],
    own: right[y],
    line: y,
    differs: left[x] !== right[y],
  }));
}

/** How many lines differ. */
export function differing(old, own) {
  return old === own ? 0 : pairs(old, own).filter(({ differs }) => differs).length;
}

export function split(text) {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** What a line is called: all up to its first word with letters. */
function name(line) {
  return /^[^\p{L}]*?[^ \t:]*\p{L}[^ \t:]*/u.exec(line)?.[0] ?? "";
}

/** Places of a longest common subsequence: the algorithm of Myers. */
function matches(left, right) {
  const found = [];
  let start = 0;
  while (start < Math.min(left.length, right.length) && left[start] === right[start]) {
    found.push([start, start++]);
  }
  const [n, m] = [left.length - start, right.length - start];
  if (n === 0 || m === 0) return found;
  const most = Math.min(n + m, MOST_EDITS);
  const furthest = new Int32Array(2 * most + 3);
  const trace = [];
  for (let edits = 0; edits <= most; edits += 1) {
    // What later edits write is not read on the way back through this one.
    trace.push(furthest.slice(most - edits, most + edits + 3));
    for (let k = -edits; k <= edits; k += 2) {
      const at = k + most + 1;
      let x = isDown(furthest, at, k, edits) ? furthest[at + 1] : furthest[at - 1] + 1;
      while (x < n && x - k < m && left[start + x] === right[start + x - k]) x += 1;
      furthest[at] = x;
      if (x >= n && x - k >= m) return found.concat(walked(trace, n, m, start));
    }
  }
  return found;
}

function isDown(furthest, at, k, edits) {
  return k === -edits || (k !== edits && furthest[at - 1] < furthest[at + 1]);
}

/** The way back through the furthest points. */
function walked(trace, n, m, start) {
  const found = [];
  let [x, y] = [n, m];
  for (let edits = trace.length - 1; edits >= 0; edits -= 1) {
    const furthest = trace[edits];
    const k = x - y;
    const at = k + edits + 1;
    const isBelow = isDown(furthest, at, k, edits);
    const fromX = edits === 0 ? 0 : furthest[isBelow ? at + 1 : at - 1];
    const fromY = edits === 0 ? 0 : fromX - (isBelow ? k + 1 : k - 1);
    while (x > fromX && y > fromY) found.push([start + --x, start + --y]);
    [x, y] = [fromX, fromY];
  }
  return found.reverse();
}
