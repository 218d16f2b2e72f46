import type {
  Content,
  Entry,
  Input,
  Manifest,
  Setting,
} from "../policy/interfaces/vproc-policy-renderer.js";
import type {
  Explanation as ContractExplanation,
  Field as ContractField,
} from "../policy/interfaces/vproc-policy-explainer.js";

export type { Content, Entry, Input, Manifest, Setting };
export type {
  Class,
  Kind,
  Knob,
  Need,
  Source,
  TaskCounts,
} from "../policy/interfaces/vproc-policy-renderer.js";
export type { Layout, Provenance, Step, Unit } from "../policy/interfaces/vproc-policy-explainer.js";

/** Why there is no text. */
export type ErrorCode =
  /** ENOENT: the policy does not serve the path, or the container has no such number. */
  | "unsupported-path"
  /** EACCES: the policy or a setting denies the path. */
  | "denied"
  /** EIO: an input without which nothing can be said is absent. */
  | "missing-input"
  /** EIO: an input is not what the kernel prints. */
  | "malformed-input"
  /** EINVAL: a knob that does not exist, or a value that it does not take. */
  | "rejected-setting"
  /** EINVAL: the JSON is not a capture. */
  | "malformed-capture"
  /** EINVAL: the capture is of a newer format. */
  | "capture-too-new"
  /** ENODATA: the entry needs what was not recorded in the capture. */
  | "not-recorded"
  /** EOPNOTSUPP: the policy does not export `explainer`. */
  | "cannot-explain"
  /** ENOEXEC: the component is not a policy. */
  | "not-a-policy"
  /** EIO: the policy's explanation contradicts itself. */
  | "malformed-explanation"
  /** EIO: the policy trapped. */
  | "trapped";

/** Why there is no text: for a program, for a reader of the file, and for a person. */
export class VprocError extends Error {
  readonly code: ErrorCode;
  /** What a read of the file would fail with, on Linux (`asm-generic`). */
  readonly errno: number;
  readonly path?: string;
  /** What the contract says beside the code: a key, a line, a knob. */
  readonly details?: unknown;
}

/** One thing that was read. */
export interface Reading {
  /** Of a cgroup file: the group's path in its hierarchy. A policy does not see it. */
  group?: string;
  /** Of a cgroup file: how far above the leaf the group is; else 0. */
  level: number;
  /** Of a cgroup file: how far below the root the group is; else 0. */
  depth: number;
  /** Text, bytes, counts of tasks, or the errno of what could not be read. */
  content: Content;
}

/** Everything that was found at one source, nearest group first. */
export interface Recorded {
  /** `host:/proc/stat`, `cgroup2:memory/memory.max@lineage`, `tasks`, … */
  source: string;
  /** Empty where the source's hierarchy does not exist on the host. */
  found: Reading[];
}

/** What a host found at a moment. Change a copy of it, and render again. */
export interface Capture {
  format: number;
  /**
   * Where it comes from. Captures with one and the same object here are taken
   * for one container, and share an instance of the policy.
   */
  origin: Record<string, unknown>;
  environment: {
    /** Bytes of a page. */
    pageSize: number;
    /** Ticks a second in which CPU time is counted. */
    userHz: number;
    /** Bytes of a huge page; 0 where there is no pool. */
    hugePageSize: bigint;
    /** As `uname -m` prints it. */
    machine: string;
    settings: Setting[];
  };
  /** `CLOCK_BOOTTIME` of the host, in nanoseconds. */
  now: bigint;
  /** Whether the subject is the host itself. */
  isHost: boolean;
  records: Recorded[];
}

export interface Options {
  /**
   * Knobs, after those of the capture; the last setting of one counts. In an
   * object, or as a list where the order matters.
   */
  settings?: Record<string, string | number> | Setting[];
}

export interface RenderOptions extends Options {
  /** What the last render of this file for this container left. */
  state?: Uint8Array;
  /** `CLOCK_BOOTTIME` in nanoseconds, in place of the capture's. */
  clock?: bigint;
}

/** The file: `text`, or `bytes` where it is not UTF-8. */
export type Rendered = ({ text: string; bytes?: undefined } | { bytes: Uint8Array; text?: undefined }) & {
  /** For the next render, from a file that has a history (`/proc/loadavg`). */
  state?: Uint8Array;
};

/** A file that the container sees. */
export interface Listed extends Entry {
  /** With all numbers in place. */
  path: string;
  /** As the policy declares it: `/sys/devices/system/cpu/cpu*`. */
  pattern: string;
}

/** How a value came about, for a person. */
export interface Formula {
  /** With the values that were read, their units and their groups. Of a `min` the one that decides comes first. */
  text: string;
  /** Values that the formula calls by a name; `step` is their place in `steps`. */
  where: { name: string; amount: string; step: number }[];
  /** Of a minimum: the input that decides, if it is one. */
  decider?: { key: string; name: string; level: number; group?: string; item: string; raw: string };
}

export interface Field extends ContractField {
  /** What the file shows; `start` and `end` are its place in the text, in bytes. */
  printed: string;
  /** Undefined where no value is known. */
  readonly formula: Formula | undefined;
}

export interface Explanation extends Omit<ContractExplanation, "fields" | "inputs"> {
  fields: Field[];
  /** The formula of a step, such as one that another formula calls by a name. */
  formulaOf(step: number): Formula;
  /** What was looked at, and what was found there. */
  inputs: { key: string; name: string; source?: string; found: Reading[] }[];
}

/** What `vproc-transpile` makes of a component. */
export interface Component {
  instantiate(getCoreModule: (name: string) => WebAssembly.Module, imports: object): unknown;
  /** Core modules: where they lie, their bytes, or compiled. */
  modules: Record<string, URL | BufferSource | WebAssembly.Module>;
}

/** A loaded policy. */
export class Policy {
  private constructor();
  static load(component: Component): Promise<Policy>;
  /** What it serves, what each file needs, and its knobs. */
  manifest(environment: Capture["environment"]): Manifest;
  /** The entry at a path, or the one whose pattern stands for it. */
  entry(capture: Capture, path: string, options?: Options): Entry | undefined;
  /** The files that the container sees, as far as their inputs were recorded. */
  list(capture: Capture, options?: Options): Listed[];
  /** Renders a file. Throws a VprocError where a read would fail. */
  render(capture: Capture, path: string, options?: RenderOptions): Rendered;
  /** Says why a file shows what it shows. */
  explain(capture: Capture, path: string, options?: RenderOptions): Explanation;
}

/** Reads a capture from JSON, as `vprocctl capture` writes it. */
export function loadCapture(json: string): Capture;
/** The inputs that an entry asks for. Throws `not-recorded` where one was not read. */
export function inputsFor(capture: Capture, entry: Entry): Input[];
/** The host's own text of a file, if it was recorded. */
export function hostText(capture: Capture, path: string): string | undefined;
