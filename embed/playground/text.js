// The host's text and the container's, beside each other.

import { $, h, roving } from "./dom.js";
import { pairs, split } from "./lines.js";
import { hideWhy, showWhy, titled, told } from "./why.js";

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
  document.querySelectorAll("button.value[aria-pressed]").forEach((other) => other.removeAttribute("aria-pressed"));
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

/** Shows a file; says what changed since it was shown last. */
export function showText({ path, host, value, error, previous }) {
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
  const rows = pairs(host ?? "", own);
  const changed = changedLines(previous, own);
  const above = (places.get(0) ?? []).map((index) => valueButton(value, index, titled(value.fields[index], value)));
  if (above.length > 0) $("decides").append(h("span", { class: "caption" }, "How many lines there are"), ...above);
  $("text").replaceChildren(table({ path, host, own, rows, places, value, changed }));
  const looked = keepFocus();
  return [described(path, host, rows, previous, changed), ...looked].join("; ");
}

function described(path, host, rows, previous, changed) {
  const differ = rows.filter(({ differs }) => differs).length;
  if (previous !== undefined) {
    const lines = changed === undefined ? "Everything" : changed.size === 1 ? "1 line" : `${changed.size} lines`;
    return changed?.size === 0 ? `Nothing changed in ${path}` : `${lines} changed in ${path}`;
  }
  if (host === undefined) return `${path}: the host’s text was not recorded`;
  return differ === 0 ? `${path}: the same as the host’s` : `${path}: ${differ} ${differ === 1 ? "line differs" : "lines differ"} from the host’s`;
}

/** Numbers of the lines that were not so before. */
function changedLines(previous, own) {
  if (previous === undefined) return new Set();
  return new Set(pairs(previous, own).filter(({ differs }) => differs).map(({ line, old }) => line ?? `gone ${old}`));
}

function table({ path, host, own, rows, places, value, changed }) {
  const isLone = host === undefined;
  const most = rows.slice(0, MOST_ROWS);
  const texts = inLines(value.text ?? "");
  const row = ({ old, own, line, differs }) => {
    const classes = [differs && !isLone ? "differs" : "", changed.has(line) ? "changed" : ""].join(" ").trim();
    const cells = [
      isLone ? undefined : cell("host", differs, old === undefined ? undefined : clipped(old)),
      own === undefined ? cell("own", differs, undefined) : cell("own", differs && !isLone, ...line_(line)),
    ];
    return h("tr", { role: "row", class: classes || undefined }, ...cells);
  };
  const line_ = (line) => marked(texts[line], places.get(line + 1) ?? [], value);
  const body = h("tbody", { role: "rowgroup" }, ...most.map(row));
  const heading = (text) => h("th", { scope: "col", role: "columnheader" }, text);
  const headings = isLone ? [heading("Container")] : [heading("Host"), heading("Container")];
  const shown = h(
    "table",
    { role: "table", class: isLone ? "texts lone" : "texts" },
    h("caption", { class: "sr" }, `${path}: arrow keys move among the values; each says where it comes from`),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...headings)),
    body,
  );
  const empty = own === "" ? h("p", { class: "empty" }, "The file is empty.") : "";
  if (rows.length <= MOST_ROWS) return h("div", {}, empty, rows.length > 0 ? shown : "");
  const more = h("button", { type: "button", class: "more" }, `Show all ${rows.length} lines`);
  more.addEventListener("click", () => {
    body.append(...rows.slice(MOST_ROWS).map(row));
    more.remove();
    body.querySelectorAll("button.value")[0]?.focus();
  });
  return h("div", {}, empty, shown, more);
}

function cell(side, differs, ...content) {
  const isNone = content[0] === undefined;
  const word = side === "host" ? "host: " : differs ? "differs: " : "";
  return h(
    "td",
    { role: "cell", class: isNone ? `${side} none` : side },
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
  explain(button, explanation.fields[index]);
  return [told(explanation.fields[index], explanation)];
}
