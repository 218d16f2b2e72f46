// The limits of the groups of a capture: which there are, and a capture with
// others.

import { hostText } from "../npm/src/policy.js";

/** "No limit" of v1: `PAGE_COUNTER_MAX` of the kernel. */
const V1_UNLIMITED = 9223372036854771712n;
const UNITS = { "": 1n, k: 1n << 10n, m: 1n << 20n, g: 1n << 30n, t: 1n << 40n };

const amount = (unlimited) => ({
  hint: "256M, 1.5G or max",
  show: (text) => bytes(text.trim(), unlimited),
  write: (value) => {
    if (isNone(value)) return `${unlimited}\n`;
    const match = /^(\d{1,15})(?:\.(\d{1,6}))?\s*([kmgt]?)(?:i?b)?$/i.exec(value);
    if (match === null) throw new Error("an amount, such as 256M, or max");
    const [, whole, fraction = "", unit] = match;
    const scale = UNITS[unit.toLowerCase()];
    const part = (BigInt(fraction || 0) * scale) / 10n ** BigInt(fraction.length);
    const total = BigInt(whole) * scale + part;
    if (total >= 1n << 63n) throw new Error("less than 8 EiB");
    return `${total}\n`;
  },
});

const cpus = {
  hint: "1.5 or max",
  show: (text) => {
    const [quota, period = "100000"] = text.trim().split(/\s+/);
    if (quota === "max" || quota === "-1") return "max";
    return String(Number((Number(quota) / Number(period)).toFixed(3)));
  },
};

function quota(value, period) {
  if (isNone(value)) return undefined;
  const number = /^\d{1,6}(\.\d{1,3})?$/.test(value) ? Number(value) : 0;
  // The least that the kernel takes is a millisecond.
  const quota = Math.round(number * period);
  if (quota < 1000) throw new Error("a number of CPUs, such as 1.5, or max");
  return quota;
}

const list = {
  hint: "0-3,6",
  show: (text) => text.trim(),
  write: (value) => {
    const parts = value.replaceAll(" ", "").split(",");
    const isRange = (part) => {
      const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
      return match !== null && Number(match[1]) <= Number(match[2] ?? match[1]);
    };
    if (!parts.every(isRange)) throw new Error("CPUs, such as 0-3,6");
    return `${parts.join(",")}\n`;
  },
};

/** What can be changed, as the kernel's files have it. */
const LIMITS = [
  { source: "cgroup2:memory/memory.max@lineage", label: "Memory", ...amount("max") },
  { source: "cgroup1:memory/memory.limit_in_bytes@lineage", label: "Memory", ...amount(V1_UNLIMITED) },
  { source: "cgroup2:memory/memory.swap.max@lineage", label: "Swap", ...amount("max") },
  {
    source: "cgroup1:memory/memory.memsw.limit_in_bytes@lineage",
    label: "Memory + swap",
    ...amount(V1_UNLIMITED),
  },
  {
    source: "cgroup2:cpu/cpu.max@lineage",
    label: "CPUs",
    ...cpus,
    write: (value, text) => {
      const period = Number(text.trim().split(/\s+/)[1] ?? 100000);
      return `${quota(value, period) ?? "max"} ${period}\n`;
    },
  },
  {
    source: "cgroup1:cpu/cpu.cfs_quota_us@lineage",
    label: "CPUs",
    ...cpus,
    period: "cgroup1:cpu/cpu.cfs_period_us@lineage",
    write: (value, text, period = "100000") => `${quota(value, Number(period)) ?? -1}\n`,
  },
  { source: "cgroup2:cpuset/cpuset.cpus.effective@nearest", label: "CPU set", ...list },
  { source: "cgroup1:cpuset/cpuset.effective_cpus@nearest", label: "CPU set", ...list },
  // Where the kernel is too old for the one above.
  { source: "cgroup1:cpuset/cpuset.cpus@nearest", label: "CPU set", ...list },
];

/** The groups that have limits, the leaf first: their paths and their fields. */
export function groups(capture) {
  const levels = new Map();
  for (const limit of LIMITS) {
    const found = capture.records.find(({ source }) => source === limit.source)?.found ?? [];
    for (const { level, depth, group, content } of found) {
      // The root group has no limits.
      if (content.tag !== "text" || depth === 0) continue;
      const own = levels.get(level) ?? { level, path: group ?? "a group", fields: [] };
      levels.set(level, own);
      if (own.fields.some(({ limit: other }) => other.label === limit.label)) continue;
      const period = text(capture, limit.period, level)?.trim();
      const raw = content.val;
      const shown = limit.period === undefined ? raw : `${raw.trim()} ${period ?? 100000}`;
      own.fields.push({ limit, level, raw, period, value: limit.show(shown) });
    }
  }
  return [...levels.values()].sort((one, other) => one.level - other.level);
}

function text(capture, source, level) {
  const found = capture.records.find((record) => record.source === source)?.found ?? [];
  const content = found.find((reading) => reading.level === level)?.content;
  return content?.tag === "text" ? content.val : undefined;
}

/** The text of the kernel's file for what a person wrote; throws what is wrong. */
export function written({ limit, raw, period }, value) {
  return limit.write(value.trim(), raw, period);
}

/** A capture with other texts: a map of `source level` to text. */
export function edited(capture, edits) {
  if (edits.size === 0) return capture;
  const changed = (source, reading) => {
    const val = edits.get(`${source} ${reading.level}`);
    return val === undefined ? reading : { ...reading, content: { tag: "text", val } };
  };
  return {
    ...capture,
    records: capture.records.map(({ source, found }) => ({
      source,
      found: found.map((reading) => changed(source, reading)),
    })),
  };
}

function isNone(value) {
  return ["max", "none", "-1", ""].includes(value.toLowerCase());
}

/** An amount in the largest unit in which it has at most two decimals. */
function bytes(text, unlimited) {
  if (text === "max" || !/^\d+$/.test(text) || BigInt(text) >= BigInt(unlimited === "max" ? 1n << 63n : unlimited)) {
    return "max";
  }
  const value = BigInt(text);
  for (const [unit, scale] of Object.entries(UNITS).reverse()) {
    if (value >= scale && (value * 100n) % scale === 0n) {
      return `${Number((value * 100n) / scale) / 100}${unit.toUpperCase()}`;
    }
  }
  return text;
}

/** The least on a slider for memory, and its steps for each doubling. */
const LEAST = 4 << 20;
const STEPS = 4;

/**
 * A slider for a limit, up to what the host has: its ends, and its place for a
 * text and the other way round.
 */
export function slider({ label, write }, capture) {
  if (label === "Memory") {
    const total = Number(/^MemTotal: *(\d+)/m.exec(hostText(capture, "/proc/meminfo") ?? "")?.[1] ?? 1 << 24) * 1024;
    const last = Math.max(1, Math.ceil(STEPS * Math.log2(total / LEAST)));
    const place = (amount) => Math.round(STEPS * Math.log2(amount / LEAST));
    return {
      first: 0,
      last,
      text: (at) => (at >= last ? "max" : `${Math.round((LEAST * 2 ** (at / STEPS)) / (1 << 20))}M`),
      place: (text) => clamp(isNone(text) ? last : place(Number(write(text))), 0, last),
    };
  }
  if (label !== "CPUs") return undefined;
  const last = 10 * cpuCount(capture);
  return {
    first: 1,
    last,
    text: (at) => (at >= last ? "max" : String(at / 10)),
    place: (text) => clamp(isNone(text) ? last : Math.round(10 * Number(text)), 1, last),
  };
}

function cpuCount(capture) {
  const list = hostText(capture, "/sys/devices/system/cpu/online") ?? "0-3";
  const counts = list.trim().split(",").map((part) => part.split("-").map(Number));
  return Math.max(1, counts.reduce((sum, [from, to = from]) => sum + to - from + 1, 0) || 4);
}

function clamp(value, least, most) {
  return Number.isNaN(value) ? most : Math.min(most, Math.max(least, value));
}
