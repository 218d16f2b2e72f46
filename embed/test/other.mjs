// Loads another policy, which `vproc-transpile` made a module of.

import { Policy } from "@vproc/policy/policy";
import * as component from "./mine/index.js";

const policy = await Policy.load(component);
const { name } = policy.manifest({
  pageSize: 4096,
  userHz: 100,
  hugePageSize: 0n,
  machine: "x86_64",
  settings: [],
});
console.log(JSON.stringify({ name, sha256: component.sha256 }));
