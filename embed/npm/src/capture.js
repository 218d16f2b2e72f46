// Captures: what a host found, as JSON. See `fixtures/README.md` of the project.

import { VprocError } from "./errors.js";

/** The newest format that this package reads. */
export const FORMAT = 1;

const SOURCE =
  /^(?:tasks|(?:host|namespaced):\/.*|cgroup[12]:[^/]*\/.+@(?:leaf|nearest|lineage)|[a-z-]+(?::.*)?)$/s;

/** Reads a capture; throws a VprocError that says where it is wrong. */
export function loadCapture(json) {
  const value = parsed(json);
  const format = value?.["vproc-capture"];
  if (!Number.isInteger(format)) throw malformed("it has no `vproc-capture`");
  if (format > FORMAT) {
    const reason = `a capture of format ${format}, but this package reads up to format ${FORMAT}`;
    throw new VprocError("capture-too-new", reason);
  }
  const { origin, environment, now, is_host: isHost, records } = value;
  if (!isObject(origin)) throw malformed("it has no `origin`");
  if (!isObject(environment)) throw malformed("it has no `environment`");
  if (typeof isHost !== "boolean") throw malformed("`is_host` is neither true nor false");
  if (!Array.isArray(records)) throw malformed("it has no `records`");
  return {
    format,
    origin: { ...origin },
    environment: loadedEnvironment(environment),
    now: u64(now, "now"),
    isHost,
    records: records.map(record),
  };
}

function parsed(json) {
  if (typeof json !== "string") throw malformed("it is no text");
  // JSON.parse rounds integers above 2^53, and a host's clock is beyond that
  // after 104 days, so what is a u64 is parsed as a string. Only a key can be
  // meant: inside a text these quotes would be escaped.
  const exact = json.replace(/"(now|huge_page_size)"(\s*:\s*)(\d+)/g, '"$1"$2"$3"');
  try {
    return JSON.parse(exact);
  } catch (error) {
    throw malformed(`it is not JSON: ${error.message}`, error);
  }
}

function loadedEnvironment(environment) {
  const { settings = [], machine } = environment;
  if (typeof machine !== "string") throw malformed("`environment.machine` is no text");
  if (!Array.isArray(settings)) throw malformed("`environment.settings` is no list");
  return {
    pageSize: u32(environment.page_size, "environment.page_size"),
    userHz: u32(environment.user_hz, "environment.user_hz"),
    hugePageSize: u64(environment.huge_page_size, "environment.huge_page_size"),
    machine,
    settings: settings.map((setting, place) => {
      if (!isText(setting?.knob) || !isText(setting?.value)) {
        throw malformed(`\`environment.settings[${place}]\` is no knob and value`);
      }
      return { knob: setting.knob, value: setting.value };
    }),
  };
}

function record(value, place) {
  const at = `records[${place}]`;
  if (!isText(value?.source) || !SOURCE.test(value.source)) {
    throw malformed(`\`${at}.source\` is not the name of a source`);
  }
  if (!Array.isArray(value.found)) throw malformed(`\`${at}\` has no \`found\``);
  const found = value.found.map((reading, number) => loadedReading(reading, `${at}.found[${number}]`));
  return { source: value.source, found };
}

function loadedReading(value, at) {
  if (!isObject(value)) throw malformed(`\`${at}\` is no reading`);
  const reading = {
    level: u32(value.level ?? 0, `${at}.level`),
    depth: u32(value.depth ?? 0, `${at}.depth`),
    content: content(value, at),
  };
  if (isText(value.group)) reading.group = value.group;
  return reading;
}

function content(value, at) {
  if ("text" in value) {
    if (!isText(value.text)) throw malformed(`\`${at}.text\` is no text`);
    return { tag: "text", val: value.text };
  }
  if ("base64" in value) return { tag: "bytes", val: bytes(value.base64, `${at}.base64`) };
  if ("errno" in value) return { tag: "absent", val: u32(value.errno, `${at}.errno`) };
  if ("tasks" in value) {
    const count = (name) => u32(value.tasks?.[name], `${at}.tasks.${name}`);
    const [total, running] = [count("total"), count("running")];
    return { tag: "tasks", val: { total, running, blocked: count("blocked"), lastPid: count("last_pid") } };
  }
  throw malformed(`\`${at}\` has neither \`text\` nor \`base64\`, \`tasks\` or \`errno\``);
}

function bytes(text, at) {
  if (!isText(text)) throw malformed(`\`${at}\` is no text`);
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch (error) {
    throw malformed(`\`${at}\` is not base64`, error);
  }
}

function u32(value, at) {
  if (Number.isInteger(value) && value >= 0 && value <= 0xffffffff) return value;
  throw malformed(`\`${at}\` is no number from 0 to 4294967295`);
}

function u64(value, at) {
  if (typeof value === "string" && /^\d{1,20}$/.test(value) && BigInt(value) < 1n << 64n) {
    return BigInt(value);
  }
  throw malformed(`\`${at}\` is no number from 0 to 18446744073709551615`);
}

// A lone surrogate is not text: the policy would see another character.
function isText(value) {
  return typeof value === "string" && (value.isWellFormed?.() ?? true);
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(reason, cause) {
  return new VprocError("malformed-capture", `not a capture: ${reason}`, { cause });
}

/** What a capture calls the source of a need: `cgroup2:memory/memory.max@lineage`. */
export function sourceName({ tag, val }) {
  if (tag === "cgroup") {
    const version = val.version.replace("v", "");
    return `cgroup${version}:${val.controller}/${val.name}@${val.scope}`;
  }
  if (tag === "process") return `process:${val.of}/${val.name}`;
  return val === undefined ? tag : `${tag}:${val}`;
}

/** What was found at a source; undefined where the source was not read. */
export function foundAt(capture, source) {
  return capture.records.find((record) => record.source === source)?.found;
}

/** The inputs that an entry asks for: one for each place where a need was found. */
export function inputsFor(capture, entry) {
  return entry.needs.flatMap((need) => {
    const source = sourceName(need.from);
    const found = foundAt(capture, source);
    if (found === undefined) {
      const message = `${entry.path} needs ${source}, which was not recorded`;
      throw new VprocError("not-recorded", message, { path: entry.path, details: source });
    }
    return found.map(({ level, depth, content }) => ({ key: need.key, level, depth, content }));
  });
}

const ENOENT = 2;

/**
 * Whether an entry is made from a file that the host does not have, so that the
 * container does not have it either: see `class` in the contract.
 */
export function lacks(capture, entry) {
  const from = entry.needs[0]?.from;
  const isMadeFrom =
    ["passed", "filtered", "constant"].includes(entry.class) &&
    ["host", "namespaced"].includes(from?.tag);
  if (!isMadeFrom) return false;
  const found = foundAt(capture, sourceName(from)) ?? [];
  return found.some(({ content }) => content.tag === "absent" && content.val === ENOENT);
}

/**
 * Whether an entry tells of single processes, or of who asks. Captures have such
 * files only where somebody named them.
 */
export function isOfProcesses(entry) {
  const tells = ({ from: { tag, val } }) =>
    tag === "processes" || (tag === "process" && ["path", "reader"].includes(val.of));
  return entry.path.startsWith("/proc/*/") || entry.needs.some(tells);
}

/** Whether everything that an entry asks for was read. */
export function has(capture, entry) {
  return entry.needs.every((need) => foundAt(capture, sourceName(need.from)) !== undefined);
}

/** Whether an entry passes on a file that is no text. */
export function isBinary(capture, entry) {
  return (
    entry.class === "passed" &&
    entry.needs.some((need) => {
      const found = foundAt(capture, sourceName(need.from)) ?? [];
      return found.length === 1 && found[0].content.tag === "bytes";
    })
  );
}

/** The host's own text of a file, if it was recorded. */
export function hostText(capture, path) {
  const content = foundAt(capture, `host:${path}`)?.[0]?.content;
  return content?.tag === "text" ? content.val : undefined;
}
