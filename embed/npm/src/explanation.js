// An explanation as a person reads it.

import { foundAt, sourceName } from "./capture.js";
import { VprocError } from "./errors.js";
import { Formulas } from "./formula.js";

/** Adds to each field its text, its formula and the group that decides. */
export function described(explanation, capture, entry) {
  const sources = new Map(entry.needs.map((need) => [need.key, need.from]));
  const inputs = new Inputs(capture, entry, sources);
  const formulas = new Formulas(explanation.steps, inputs);
  const text = new TextEncoder().encode(explanation.text);
  check(explanation, text.length);
  const decoder = new TextDecoder();
  return {
    ...explanation,
    formulaOf: (step) => formulas.formula(step),
    fields: explanation.fields.map((field) => ({
      ...field,
      printed: decoder.decode(text.subarray(field.start, field.end)),
      // On demand: a machine of many CPUs has thousands of fields.
      get formula() {
        return field.value === undefined ? undefined : formulas.formula(field.value);
      },
    })),
    inputs: explanation.inputs.map((key) => ({
      key,
      name: inputs.name(key),
      source: sources.has(key) ? sourceName(sources.get(key)) : undefined,
      found: inputs.found(key),
    })),
  };
}

/** Refuses what contradicts itself, which could be followed without end. */
function check({ fields, steps }, length) {
  const refuse = (what) => {
    throw new VprocError("malformed-explanation", `the policy explains what cannot be: ${what}`);
  };
  steps.forEach(({ from: { tag, val } }, place) => {
    const operands = { operation: () => [...val.operands], named: () => [val.of], noted: () => [val.of] }[tag]?.() ?? [];
    if (operands.some((operand) => operand >= place)) refuse(`step ${place} follows from one that comes later`);
  });
  for (const { label, start, end, value } of fields) {
    if (start > end || end > length) refuse(`the field \`${label}\` is not in the text`);
    if (value !== undefined && value >= steps.length) refuse(`the field \`${label}\` has a value without a step`);
  }
}

/** Where the numbers of an entry were read. */
class Inputs {
  constructor(capture, entry, sources) {
    Object.assign(this, { capture, entry, sources });
  }

  found(key) {
    const source = this.sources.get(key);
    return source === undefined ? [] : (foundAt(this.capture, sourceName(source)) ?? []);
  }

  /** What a person calls an input: `memory.max`, `host`, `host /proc/meminfo`. */
  name(key) {
    const { tag, val } = this.sources.get(key) ?? {};
    switch (tag) {
      case "host":
        return val === this.entry.path ? "host" : `host ${val}`;
      case "namespaced":
        return `the container's ${val}`;
      case "cgroup":
        return val.name;
      case "process":
        return `${val.of === "init" ? "init" : "the process"}'s ${val.name}`;
      default:
        return tag ?? key;
    }
  }

  /** In which group an input was found, where that is worth a word. */
  place(key, level) {
    const { tag, val } = this.sources.get(key) ?? {};
    const isLimit = tag === "cgroup" && val.scope === "lineage";
    if (level === 0 && !isLimit) return "";
    const group = this.group(key, level);
    return group === undefined ? `, ${above(level)}` : ` at ${group} (${above(level)})`;
  }

  group(key, level) {
    return this.found(key).find((reading) => reading.level === level)?.group;
  }
}

function above(level) {
  return level === 0 ? "the leaf" : `${level} above the leaf`;
}
