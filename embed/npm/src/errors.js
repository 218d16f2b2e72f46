/**
 * Why there is no text. `code` says it for a program, `errno` is what a read
 * of the file would fail with (Linux, `asm-generic`), `message` is one line for
 * a person.
 */
export class VprocError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{path?: string, details?: unknown, cause?: unknown}} [more]
   */
  constructor(code, message, { path, details, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "VprocError";
    this.code = code;
    this.errno = ERRNO[code] ?? EIO;
    this.path = path;
    this.details = details;
  }
}

const EIO = 5;
const ERRNO = {
  "unsupported-path": 2, // ENOENT
  denied: 13, // EACCES
  "missing-input": EIO,
  "malformed-input": EIO,
  "rejected-setting": 22, // EINVAL
  "malformed-capture": 22,
  "capture-too-new": 22,
  "not-recorded": 61, // ENODATA
  "cannot-explain": 95, // EOPNOTSUPP
  "not-a-policy": 8, // ENOEXEC
  "malformed-explanation": EIO,
  trapped: EIO,
};

/**
 * The error for what a policy threw: an `err` of the contract has a payload,
 * anything else is a trap.
 */
export function refusal(error, path) {
  const payload = error?.payload;
  if (payload === undefined) {
    const message = `${path ?? "the policy"}: the policy failed: ${error?.message ?? error}`;
    return new VprocError("trapped", message, { path, cause: error });
  }
  const { tag, val } = payload;
  const of = path === undefined ? "" : `${path}: `;
  return new VprocError(tag, of + words(tag, val), { path, details: val });
}

function words(tag, val) {
  switch (tag) {
    case "unsupported-path":
      return "the policy does not serve it, or this container has no such number";
    case "denied":
      return "the policy or a setting denies it";
    case "missing-input":
      return `it needs \`${val}\`, which could not be read`;
    case "malformed-input":
      return `\`${val.key}\` is not what the kernel prints${val.line ? `, line ${val.line}` : ""}: ${val.reason}`;
    case "rejected-setting":
      return `the knob \`${val.knob}\`: ${val.reason}`;
    default:
      return tag;
  }
}
