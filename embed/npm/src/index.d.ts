import type { Policy } from "./policy.js";

export * from "./policy.js";

/** The policy that is built into vprocctl. */
export const policy: Policy;
/** SHA-256 of its component, as `vprocctl policy inspect` prints it. */
export const sha256: string;

/** The files that the container sees, as far as their inputs were recorded. */
export const list: Policy["list"];
/** Renders a file. Throws a VprocError where a read would fail. */
export const render: Policy["render"];
/** Says why a file shows what it shows. */
export const explain: Policy["explain"];
/** What the policy serves, what each file needs, and its knobs. */
export function manifest(capture: import("./policy.js").Capture): import("./policy.js").Manifest;
