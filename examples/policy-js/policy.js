// A policy that shows memory in whole MiB.
//
// MemTotal is the lowest limit on the way from the container's cgroup to the
// root, MemFree and MemAvailable are what its group does not use; every other
// line says 0. Amounts are rounded down to whole MiB: readers learn no more.

const MEMINFO = "/proc/meminfo";
const ENOENT = 2;

const memory = (version, name, scope) => ({
  tag: "cgroup",
  val: { version, controller: "memory", name, scope },
});

// What the host reads before each render, under names of our own. Of the two
// versions of cgroups, the one that the machine does not use gives no input.
const NEEDS = [
  { key: "host", from: { tag: "host", val: MEMINFO } },
  { key: "limit-v1", from: memory("v1", "memory.limit_in_bytes", "lineage") },
  { key: "limit-v2", from: memory("v2", "memory.max", "lineage") },
  { key: "usage-v1", from: memory("v1", "memory.usage_in_bytes", "nearest") },
  { key: "usage-v2", from: memory("v2", "memory.current", "nearest") },
];

export const renderer = {
  declare({ settings }) {
    for (const { knob } of settings) {
      throw { tag: "rejected-setting", val: { knob, reason: "this policy has no knobs" } };
    }
    const meminfo = {
      path: MEMINFO,
      kind: "file",
      mode: 0o444,
      class: "virtual",
      summary: "the container's memory in whole MiB",
      reason: "the limits and the use of its memory cgroup (fs/proc/meminfo.c)",
      needs: NEEDS,
      // Shown in place of the kernel's own file.
      covers: true,
    };
    return { name: "whole-mib", version: "0.1.0", entries: [meminfo], knobs: [] };
  },

  render(path, { inputs }) {
    if (path !== MEMINFO) throw { tag: "unsupported-path" };
    const found = (key) => inputs.filter((input) => input.key.startsWith(key));

    const [host] = found("host");
    const lines = (text("host", host?.content) ?? refuse(missing("host"))).trimEnd().split("\n");
    const ofHost = /^MemTotal: +(\d+) kB$/.exec(lines[0]);
    if (!ofHost) throw malformed("host", "its first line is not MemTotal");

    const amounts = (key) => found(key).map(amount).filter((found) => found !== undefined);
    const total = amounts("limit").reduce(least, BigInt(ofHost[1]) * 1024n);
    const [usage = 0n] = amounts("usage");
    const free = total - least(usage, total);

    const shown = { MemTotal: total, MemFree: free, MemAvailable: free };
    const line = (line) => {
      const [label] = line.split(":");
      const value = wholeMib(shown[label] ?? 0n);
      const unit = line.endsWith(" kB") ? " kB" : "";
      return `${`${label}:`.padEnd(15)} ${`${value}`.padStart(8)}${unit}\n`;
    };
    return { body: { tag: "text", val: lines.map(line).join("") } };
  },
};

/** The bytes that a cgroup file names; undefined if it names none, or is none. */
function amount({ key, content }) {
  const word = text(key, content)?.trim();
  if (word === undefined || word === "max") return undefined;
  if (!/^\d+$/.test(word)) throw malformed(key, `${JSON.stringify(word)} is not an amount`);
  return BigInt(word);
}

/** The text of an input; undefined where the machine has no such file. */
function text(key, content) {
  if (content?.tag === "text") return content.val;
  if (content === undefined || content.val === ENOENT) return undefined;
  throw content.tag === "absent" ? missing(key) : malformed(key, "it is not text");
}

// What is thrown is the error of the contract.

const missing = (key) => ({ tag: "missing-input", val: key });

const malformed = (key, reason) => ({ tag: "malformed-input", val: { key, line: 1, reason } });

function refuse(error) {
  throw error;
}

/** In KiB, as the kernel prints it. */
const wholeMib = (bytes) => (bytes >> 20n) << 10n;

const least = (one, other) => (one < other ? one : other);
