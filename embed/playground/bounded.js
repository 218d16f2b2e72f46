// A core module that takes no more memory than `vprocctl` would give it.

/** 64 MiB, in pages of WebAssembly. */
const MOST_PAGES = 1024;
const PREAMBLE = 8;
const MEMORIES = 5;

/** The module with a maximum for each of its memories; throws where it begins with more. */
export function bounded(module) {
  const read = reader(module, PREAMBLE);
  while (read.at < module.length) {
    const start = read.at;
    const id = read.number();
    const length = read.number();
    if (id !== MEMORIES) {
      read.at += length;
      continue;
    }
    const content = memories(read);
    const section = [MEMORIES, ...leb(content.length), ...content];
    return joined([module.subarray(0, start), Uint8Array.from(section), module.subarray(read.at)]);
  }
  return module;
}

/** The content of the section, with maximums. */
function memories(read) {
  const count = read.number();
  const content = leb(count);
  for (let memory = 0; memory < count; memory += 1) {
    const flags = read.number();
    const least = read.number();
    const most = (flags & 1) === 1 ? read.number() : MOST_PAGES;
    if (least > MOST_PAGES) throw new Error(`it begins with ${least / 16} MiB of memory, and 64 MiB is the limit`);
    content.push(...leb(flags | 1), ...leb(least), ...leb(Math.min(most, MOST_PAGES)));
  }
  return content;
}

/** Reads numbers of LEB128, as far as they fit a double. */
function reader(bytes, at) {
  return {
    at,
    number() {
      let [value, scale] = [0, 1];
      for (;;) {
        const byte = bytes[this.at++] ?? 0;
        value += (byte & 0x7f) * scale;
        if (byte < 0x80) return value;
        scale *= 128;
      }
    },
  };
}

function leb(value) {
  const bytes = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push((value % 128) + (rest > 0 ? 128 : 0));
    value = rest;
  } while (value > 0);
  return bytes;
}

function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
