// The policy that is built into vprocctl, loaded.

import * as component from "../policy/index.js";
import { Policy } from "./policy.js";

export { hostText, inputsFor, loadCapture, Policy, VprocError } from "./policy.js";

/** The default policy. */
export const policy = await Policy.load(component);

/** SHA-256 of its component, as `vprocctl policy inspect` prints it. */
export const sha256 = component.sha256;

export const list = policy.list.bind(policy);
export const render = policy.render.bind(policy);
export const explain = policy.explain.bind(policy);

/** What the policy serves and its knobs, under the settings of a capture. */
export const manifest = (capture) => policy.manifest(capture.environment);
