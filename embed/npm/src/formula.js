// The steps to a value, as a formula that a person reads. The rules and the
// words are those of `vprocctl explain`.

/** Operands in one formula: a sum over many CPUs has thousands. */
const MOST = 24;

/** `PAGE_COUNTER_MAX` of the kernel, with the largest pages. */
const V1_UNLIMITED = (1n << 63n) - (1n << 20n);

/** What keeps the first operand's meaning. */
const CONVERSIONS = ["divided", "divided-up", "divided-nearest", "times", "aligned", "common"];

/** How tightly the outermost operator of a formula binds. */
const SUM = 0;
const PRODUCT = 1;
const ATOM = 2;

export class Formulas {
  constructor(steps, inputs) {
    this.steps = steps;
    this.inputs = inputs;
  }

  /**
   * The formula of a step: its text, the steps that it calls by a name, and
   * the place that decides, if it is the lowest of several.
   */
  formula(step) {
    let root = this.peeled(step);
    while (this.tag(root) === "named") root = this.peeled(this.steps[root].from.val.of);
    const names = [];
    const text = this.written(root, { left: MOST, names })[0];
    return {
      text,
      where: names
        .filter((place, index) => names.indexOf(place) === index)
        .map((place) => ({ name: this.steps[place].from.val.text, amount: amount(this.steps[place]), step: place })),
      decider: this.operator(root) === "least" ? this.quote(this.decider(root)) : undefined,
    };
  }

  tag(place) {
    return this.steps[place]?.from.tag;
  }

  operator(place) {
    const from = this.steps[place]?.from;
    return from?.tag === "operation" ? from.val.operator : undefined;
  }

  operands(place) {
    const from = this.steps[place]?.from;
    if (from?.tag === "operation") return [...from.val.operands];
    return from?.tag === "named" || from?.tag === "noted" ? [from.val.of] : [];
  }

  /** The input that a step is, or is a conversion of: a quota of its CPUs. */
  quote(place) {
    while (CONVERSIONS.includes(this.operator(place)) || this.tag(place) === "noted") {
      place = this.peeled(this.operands(place)[0]);
    }
    const from = this.steps[place]?.from;
    if (from?.tag !== "input") return undefined;
    const { key, level, item, raw } = from.val;
    return { key, level, item, raw, name: this.inputs.name(key), group: this.inputs.group(key, level) };
  }

  /**
   * The step below conversions to another unit, and below what changed nothing:
   * rounding to pages, a minimum that was exceeded.
   */
  peeled(place) {
    for (;;) {
      const step = this.steps[place];
      const operands = this.operator(place) === undefined ? [] : this.operands(place);
      const inner = this.steps[operands[0]];
      if (operands.length !== 2 || inner === undefined) return place;
      const second = operands[1];
      const isSame = inner.value === step.value && inner.unit === step.unit;
      const isPlain = {
        divided: () => inner.unit !== step.unit && this.isLiteral(second),
        times: () => inner.unit !== step.unit && this.isLiteral(second),
        aligned: () => isSame,
        greatest: () => isSame && !["input", "operation"].includes(this.tag(second)),
        minus: () => isSame && this.operands(second).length === 0,
      }[this.operator(place)];
      if (!isPlain?.()) return place;
      place = operands[0];
    }
  }

  /** A number in a rule. */
  isLiteral(place) {
    const from = this.steps[place]?.from;
    return from?.tag === "given" && from.val === "";
  }

  /** The operands of nested operations of one kind. */
  flat(place, wanted) {
    const flat = [];
    const open = [place];
    while (open.length > 0 && flat.length <= MOST) {
      const peeled = this.peeled(open.pop());
      if (this.operator(peeled) === wanted) open.push(...this.operands(peeled).reverse());
      else flat.push(peeled);
    }
    return flat;
  }

  /** Which of the operands of a minimum decides. */
  decider(place) {
    place = this.peeled(place);
    while (this.operator(place) === "least") {
      const value = this.steps[place].value;
      const next = this.operands(place).find((operand) => this.steps[operand]?.value === value);
      if (next === undefined) break;
      place = this.peeled(next);
    }
    return place;
  }

  written(place, writer) {
    place = this.peeled(place);
    const step = this.steps[place];
    if (step === undefined) return ["?", ATOM];
    if (writer.left === 0) return [`${amount(step)} …`, ATOM];
    writer.left -= 1;
    const { tag, val } = step.from;
    switch (tag) {
      case "input":
        return [this.quoted(step, val), ATOM];
      case "given":
        return [val === "" ? amount(step) : `${amount(step)} (${val})`, ATOM];
      case "named":
        writer.names.push(place);
        return [`${val.text} ${amount(step)}`, ATOM];
      case "noted":
        return [`${this.written(val.of, writer)[0]} (${val.text})`, ATOM];
      default:
        return this.operation(place, writer);
    }
  }

  quoted(step, { key, level, item, raw }) {
    const isUnlimited = step.unit === "bytes" && step.value >= V1_UNLIMITED;
    const isNumber = raw === "" || (/^\+?\d+$/.test(raw) && BigInt(raw.replace("+", "")) === step.value);
    const value = isNumber
      ? amount(step) + (isUnlimited ? " (no limit)" : "")
      : `"${escaped(raw)}" (${amount(step)})`;
    return `${this.inputs.name(key)}${item === "" ? "" : ` ${item}`} ${value}${this.inputs.place(key, level)}`;
  }

  operation(place, writer) {
    const operands = this.operands(place);
    const operator = this.operator(place);
    switch (operator) {
      case "plus":
        return this.sum(place, writer);
      case "least":
      case "greatest":
        return this.extreme(place, operator, writer);
      case "minus":
        return [this.joined(operands, " − ", SUM, writer), SUM];
      case "times":
        return [this.joined(operands, " × ", PRODUCT, writer), PRODUCT];
      case "divided":
        return [this.joined(operands, " ÷ ", PRODUCT, writer), PRODUCT];
      case "share":
      case "share-nearest":
        return this.share(operands, writer);
      default: {
        const [name, sign] = CALLS[operator] ?? [operator, ", "];
        return this.call(name, sign, operands, writer);
      }
    }
  }

  /**
   * Operands with a sign between them, in parentheses where they need it. On
   * the right of a `−` and a `÷` that is also where they bind as tightly.
   */
  joined(operands, sign, tightness, writer) {
    const parts = operands.map((operand, index) => {
      const [text, own] = this.written(operand, writer);
      return own < tightness || (index > 0 && own === tightness) ? `(${text})` : text;
    });
    return parts.join(sign);
  }

  call(name, sign, operands, writer) {
    return [`${name}(${this.joined(operands, sign, SUM, writer)})`, ATOM];
  }

  share(operands, writer) {
    if (operands.length !== 3) return this.call("share", ", ", operands, writer);
    const product = this.joined(operands.slice(0, 2), " × ", PRODUCT, writer);
    return [`${product} ÷ ${this.joined(operands.slice(2), "", ATOM, writer)}`, PRODUCT];
  }

  sum(place, writer) {
    const terms = this.flat(place, "plus");
    if (terms.length <= MOST / 2) return [this.joined(terms, " + ", SUM, writer), SUM];
    const count = terms.length > MOST ? `more than ${MOST}` : terms.length;
    return [`${this.joined(terms.slice(0, 2), " + ", SUM, writer)} + … (${count} numbers)`, SUM];
  }

  extreme(place, operator, writer) {
    let operands = this.flat(place, operator);
    let groups = new Map();
    if (operator === "least") {
      const decider = this.decider(place);
      operands.sort((one, other) => (one !== decider) - (other !== decider));
      [operands, groups] = this.lowestOfEach(operands);
    }
    const parts = operands.map((operand) => {
      const [text] = this.written(operand, writer);
      if (!groups.has(operand)) return text;
      const lowest = `, the lowest of ${groups.get(operand)}`;
      return text.endsWith(")") ? `${text.slice(0, -1)}${lowest})` : text + lowest;
    });
    // Of the groups of one limit.
    if (parts.length === 1) return [parts[0], ATOM];
    return [`${operator === "least" ? "min" : "max"}(${parts.join(", ")})`, ATOM];
  }

  /** Of a limit that several groups have, the lowest, and how many there are. */
  lowestOfEach(operands) {
    const key = (place) => {
      const from = this.steps[place]?.from;
      return from?.tag === "input" && from.val.item === "" ? from.val.key : undefined;
    };
    const kept = [];
    const groups = new Map();
    for (const operand of operands) {
      const own = key(operand);
      const place = own === undefined ? -1 : kept.findIndex((other) => key(other) === own);
      if (place < 0) {
        kept.push(operand);
        continue;
      }
      const before = kept[place];
      const count = (groups.get(before) ?? 1) + 1;
      if (this.steps[operand].value < this.steps[before].value) kept[place] = operand;
      groups.delete(before);
      groups.set(kept[place], count);
    }
    return [kept, groups];
  }
}

const CALLS = {
  "divided-up": ["round up", " ÷ "],
  "divided-nearest": ["round", " ÷ "],
  aligned: ["whole pages", ", "],
  common: ["CPUs in both", ", "],
  decayed: ["decayed", ", "],
};

/** A value with its unit. */
export function amount({ value, unit }) {
  switch (unit) {
    case "bytes":
      return `${value} B`;
    case "kibibytes":
      return `${value} kB`;
    case "ticks":
      return `${value} ticks`;
    case "nanoseconds": {
      const digits = `${value / 1_000_000_000n}.${String(value % 1_000_000_000n).padStart(9, "0")}`;
      return `${digits.replace(/\.?0+$/, "")} s`;
    }
    default:
      return String(value);
  }
}

/** What would not show, or would end a quotation, as Rust escapes it. */
function escaped(text) {
  const known = { "\0": "\\0", "\t": "\\t", "\r": "\\r", "\n": "\\n", "'": "\\'", '"': '\\"', "\\": "\\\\" };
  return text.replace(/[\0\t\r\n'"\\]|(?! )[\p{C}\p{Z}]/gu, (letter) =>
    known[letter] ?? `\\u{${letter.codePointAt(0).toString(16)}}`,
  );
}
