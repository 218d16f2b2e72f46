// Why a value is what it is.

import { $, h } from "./dom.js";

const MEANINGS = {
  computed: "from the container’s own group",
  clamped: "the host’s, as far as the container’s can reach",
  filtered: "the host’s row or column, which belongs to the container",
  passed: "the host’s: a property of the machine, not an amount in use",
  constant: "the same for every container",
};

/** More names than a person follows. */
const MOST_NAMES = 12;

export function showWhy(field, explanation) {
  const { provenance, reason } = field;
  const formula = field.formula;
  const heading = titled(field, explanation);
  const close = h("button", { type: "button", class: "close", "aria-label": "Close the explanation", onclick: hideWhy }, "×");
  $("why").replaceChildren(
    h(
      "div",
      { class: "why-head" },
      h("h3", { id: "why-title" }, heading, " ", h("span", { class: `chip ${provenance}` }, provenance)),
      close,
    ),
    h("p", { class: "hint" }, MEANINGS[provenance] ?? ""),
    formula === undefined ? "" : h("p", { class: "formula", id: "why-formula" }, h("code", {}, "= ", formula.text)),
    formula?.decider === undefined
      ? ""
      : h("p", { class: "decider", id: "why-decider" }, `Decided by ${placed(formula.decider)}.`),
    reason === "" ? "" : h("p", {}, reason),
    ...names(explanation, formula),
    inputs(field, explanation, formula?.decider),
  );
  $("why").hidden = false;
}

export function hideWhy() {
  $("why").hidden = true;
  release();
}

/** No value is the one that is explained. */
export function release() {
  document.querySelectorAll("button.value[aria-pressed]").forEach((button) => button.removeAttribute("aria-pressed"));
}

/** A value in words: what it is called, how much it is, and what decides it. */
export function told(field, explanation) {
  const decider = field.formula?.decider;
  const title = titled(field, explanation);
  return decider === undefined ? title : `${title}, decided by ${placed(decider)}`;
}

/** What a value is called, and how much it is. */
export function titled({ label, column, printed, layout, value }, { steps }) {
  const name = [label, column].filter((word) => word !== "").join(" ");
  if (layout === "text") return name || "This line";
  const step = steps[value];
  const unit = step?.unit === "kibibytes" && layout === "number" ? " kB" : "";
  return `${name} ${printed || (step?.value ?? "")}${unit}`.trim();
}

function placed({ name, group, level }) {
  if (group === undefined) return name === "host" ? "the host’s own text" : name;
  return `${name} at ${group} (${level === 0 ? "the leaf" : `${level} above the leaf`})`;
}

/** The values that the formula calls by a name. */
function names(explanation, formula) {
  const open = [...(formula?.where ?? [])];
  const lines = [];
  const known = new Set();
  while (open.length > 0 && lines.length < MOST_NAMES) {
    const { name, amount, step } = open.shift();
    const title = `${name} ${amount}`;
    if (known.has(title)) continue;
    known.add(title);
    const own = explanation.formulaOf(step);
    open.push(...own.where);
    lines.push(h("p", { class: "formula where" }, h("code", {}, `${title} = ${own.text}`)));
  }
  return lines;
}

/** What the value was read from. */
function inputs(field, explanation, decider) {
  const wanted = keys(field, explanation);
  const rows = explanation.inputs
    .filter(({ key }) => wanted.has(key))
    .flatMap(({ key, name, source = "", found }) =>
      found.map((reading) => {
        const isIt = decider?.key === key && decider.level === reading.level;
        const place = reading.group === undefined ? "" : `${reading.group} (${reading.level === 0 ? "the leaf" : `${reading.level} above`})`;
        return h(
          "tr",
          { role: "row", class: isIt ? "decides" : undefined },
          h("td", { role: "cell", title: source }, name === "host" ? source.replace("host:", "host ") : name),
          h("td", { role: "cell" }, place),
          h("td", { role: "cell" }, h("code", {}, raw(reading.content)), isIt ? h("strong", {}, " decides") : ""),
        );
      }),
    );
  if (rows.length === 0) return "";
  const head = ["Read from", "Group", "Found"].map((text) => h("th", { scope: "col", role: "columnheader" }, text));
  return h(
    "table",
    { role: "table", class: "inputs" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...head)),
    h("tbody", { role: "rowgroup" }, ...rows),
  );
}

/** Keys of the inputs that a value follows from. */
function keys(field, { steps, inputs }) {
  if (field.quoted !== undefined) return new Set([field.quoted]);
  if (field.value === undefined) return new Set(field.provenance === "constant" ? [] : inputs.map(({ key }) => key));
  const wanted = new Set([field.value]);
  const found = new Set();
  for (let place = field.value; place >= 0; place -= 1) {
    if (!wanted.has(place)) continue;
    const { tag, val } = steps[place].from;
    if (tag === "input") found.add(val.key);
    if (tag === "operation") val.operands.forEach((operand) => wanted.add(operand));
    if (tag === "named" || tag === "noted") wanted.add(val.of);
  }
  return found;
}

/** What was found, on one line. */
function raw({ tag, val }) {
  switch (tag) {
    case "text": {
      const lines = val.split("\n").filter((line) => line !== "");
      return lines.length > 1 ? `${lines.length} lines` : (lines[0] ?? "empty");
    }
    case "bytes":
      return `${val.length} bytes`;
    case "tasks":
      return `${val.total} tasks, ${val.running} running, ${val.blocked} blocked`;
    default:
      return `not there (errno ${val})`;
  }
}
