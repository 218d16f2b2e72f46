// The container's text, and beside it the host's or the default policy's.

import { $, h, roving } from "./dom.js";
import { pairs, split } from "./lines.js";
import { appendRows, showRows } from "./rows.js";
import { hideWhy, release, showWhy, titled, told } from "./why.js";

/** More rows are shown when they are asked for. */
const MOST_ROWS = 500;
/** Of longer lines of the host the begin is shown. */
const LONGEST = 400;

let explanation;
let focused;

export function startText() {
  for (const id of ["text", "decides"]) {
    roving($(id), () => [...$(id).querySelectorAll("button.value")], { moved: show });
    $(id).addEventListener("click", ({ target }) => {
      if (target.matches("button.value")) show(target);
    });
  }
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") hideWhy();
  });
}

function show(button) {
  const field = explanation?.fields[Number(button.dataset.field)];
  if (field === undefined) return;
  focused = { label: field.label, column: field.column };
  release();
  explain(button, field);
}

function explain(button, field) {
  button.setAttribute("aria-pressed", "true");
  button.setAttribute("aria-describedby", "why-formula why-decider");
  showWhy(field, explanation);
}

/** Forgets which value was looked at: another file is shown. */
export function forget() {
  focused = undefined;
  hideWhy();
}

/** Shows a file beside another text; says what changed since it was shown last. */
export function showText({ path, beside, value, error, previous }) {
  explanation = value;
  $("file-error").textContent = error?.message ?? "";
  $("decides").replaceChildren();
  if (value === undefined) {
    $("text").replaceChildren();
    hideWhy();
    return `${path} cannot be read`;
  }
  const own = value.text ?? "";
  const places = fieldsByLine(value);
  const rows = pairs(beside.text ?? "", own);
  const changed = changedLines(previous, own);
  const above = (places.get(0) ?? []).map((index) => valueButton(value, index, titled(value.fields[index], value)));
  if (above.length > 0) $("decides").append(h("span", { class: "caption" }, "How many lines there are"), ...above);
  showTable({ path, beside, own, rows, places, value, changed });
  const looked = keepFocus();
  return [described(path, beside, rows, previous, changed), ...looked].join("; ");
}

function described(path, beside, rows, previous, changed) {
  const differ = rows.filter(({ differs }) => differs).length;
  if (previous !== undefined) {
    const lines = changed === undefined ? "Everything" : changed.size === 1 ? "1 line" : `${changed.size} lines`;
    return changed?.size === 0 ? `Nothing changed in ${path}` : `${lines} changed in ${path}`;
  }
  if (beside.text === undefined) return `${path}: ${beside.absence}`;
  if (differ === 0) return `${path}: the same as ${beside.of}`;
  return `${path}: ${differ} ${differ === 1 ? "line differs" : "lines differ"} from ${beside.of}`;
}

/** Numbers of the lines that were not so before. */
function changedLines(previous, own) {
  if (previous === undefined) return new Set();
  return new Set(pairs(previous, own).filter(({ differs }) => differs).map(({ line, old }) => line ?? `gone ${old}`));
}

function showTable({ path, beside, own, rows, places, value, changed }) {
  const isLone = beside.text === undefined;
  const texts = inLines(own);
  const fieldsOf = (line) => places.get(line + 1) ?? [];
  const made = (row) => ({
    key: keyOf(row, fieldsOf(row.line).map((index) => [index, value.fields[index]]), texts[row.line]),
    make: () => tableRow(row, isLone ? undefined : beside.side, () => marked(texts[row.line], fieldsOf(row.line), value)),
    isChanged: changed.has(row.line),
  });
  const of = JSON.stringify([path, isLone, beside.side, beside.own]);
  const headings = isLone ? ["Container"] : [beside.name, beside.own];
  showRows($("text"), of, (body) => table(path, headings, body), rows.slice(0, MOST_ROWS).map(made));
  const shown = $("text").querySelector("table");
  shown.hidden = rows.length === 0;
  $("text").querySelectorAll(".empty, .more").forEach((element) => element.remove());
  if (own === "") shown.before(h("p", { class: "empty" }, "The file is empty."));
  if (rows.length <= MOST_ROWS) return;
  const more = h("button", { type: "button", class: "more" }, `Show all ${rows.length} lines`);
  more.addEventListener("click", () => {
    appendRows(rows.slice(MOST_ROWS).map(made));
    more.remove();
    shown.querySelector("button.value")?.focus();
  });
  shown.after(more);
}

function table(path, headings, body) {
  const heading = (text) => h("th", { scope: "col", role: "columnheader" }, text);
  return h(
    "table",
    { role: "table", class: headings.length === 1 ? "texts lone" : "texts" },
    h("caption", { class: "sr" }, `${path}: arrow keys move among the values; each says where it comes from`),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...headings.map(heading))),
    body,
  );
}

function tableRow({ old, own, differs }, side, parts) {
  const isMarked = differs && side !== undefined;
  const cells = [
    side === undefined ? undefined : cell(side, differs, old === undefined ? undefined : clipped(old)),
    own === undefined ? cell("own", differs, undefined) : cell("own", isMarked, ...parts()),
  ];
  return h("tr", { role: "row", class: isMarked ? "differs" : undefined }, ...cells);
}

/** All that a row is made of. */
function keyOf({ old, own, line }, fields, text) {
  const parts = fields.map(([index, { label, column, provenance, layout, start, end }]) =>
    [index, label, column, provenance, layout, start - text.start, end - text.start].join("\t"),
  );
  return [old === undefined ? "-" : `+${old}`, own === undefined ? "-" : `+${own}`, line, ...parts].join("\n");
}

function cell(side, differs, ...content) {
  const isNone = content[0] === undefined;
  const word = side !== "own" ? `${side}: ` : differs ? "differs: " : "";
  const classes = [side === "own" ? "own" : `beside ${side}`, isNone ? "none" : ""].join(" ").trim();
  return h(
    "td",
    { role: "cell", class: classes },
    word === "" || isNone ? "" : h("span", { class: "sr" }, word),
    ...(isNone ? [h("span", { class: "sr" }, "no such line")] : content),
  );
}

/** The host counts every interrupt in one line. */
function clipped(line) {
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST)} … (${line.length} characters)`;
}

/** Places of the fields in each line; 0 for what decides which lines there are. */
function fieldsByLine({ fields }) {
  const places = new Map();
  fields.forEach((field, index) => {
    const line = field.layout === "unprinted" ? 0 : field.line;
    places.set(line, [...(places.get(line) ?? []), index]);
  });
  return places;
}

/** The lines of a text, each with where it begins in bytes. */
function inLines(text) {
  const encoder = new TextEncoder();
  let start = 0;
  return split(text).map((line) => {
    const own = { line, start, bytes: encoder.encode(line) };
    start += own.bytes.length + 1;
    return own;
  });
}

/** A line with a button for each of its values. */
function marked({ line, start, bytes }, fields, explanation) {
  const decoder = new TextDecoder();
  const isPlain = bytes.length === line.length;
  const part = (from, to) => (isPlain ? line.slice(from, to) : decoder.decode(bytes.subarray(from, to)));
  const parts = [];
  let end = 0;
  for (const index of fields) {
    const field = explanation.fields[index];
    const [from, to] = [field.start - start, Math.min(field.end - start, bytes.length)];
    if (from < end || to <= from) continue;
    parts.push(part(end, from), valueButton(explanation, index, part(from, to)));
    end = to;
  }
  parts.push(part(end, bytes.length));
  const shown = parts.filter((part) => part !== "");
  return shown.length === 0 ? [h("br")] : shown;
}

function valueButton({ fields }, index, text) {
  const { label, column, provenance, line } = fields[index];
  const isWhole = fields[index].layout === "text";
  const name = [label, column].filter((word) => word !== "").join(" ");
  const button = h(
    "button",
    {
      type: "button",
      class: `value ${provenance}${isWhole ? " whole" : ""}`,
      tabindex: "-1",
      "aria-label": isWhole || text.includes(name) ? undefined : `${name} ${text}`,
      data: { field: index, line },
    },
    text,
  );
  return button;
}

/** After a render the same value is explained anew; what is to be said of it. */
function keepFocus() {
  document.querySelectorAll('button.value[tabindex="0"]').forEach((button) => (button.tabIndex = -1));
  for (const id of ["text", "decides"]) {
    const first = $(id).querySelector("button.value");
    if (first !== null) first.tabIndex = 0;
  }
  if (focused === undefined) return [];
  const index = explanation.fields.findIndex(
    ({ label, column }) => label === focused.label && column === focused.column,
  );
  const button = document.querySelector(`button.value[data-field="${index}"]`);
  if (button === null) {
    hideWhy();
    return [];
  }
  button.tabIndex = 0;
  release();
  explain(button, explanation.fields[index]);
  return [told(explanation.fields[index], explanation)];
}
