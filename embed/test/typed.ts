// Checked with `tsc --noEmit`, and never run: what a program in TypeScript relies on.

import { explain, list, loadCapture, render, VprocError } from "@vproc/policy";
import { Policy } from "@vproc/policy/policy";
import type { Capture, Class, Rendered } from "@vproc/policy";

export function memTotal(json: string): string {
  const capture: Capture = loadCapture(json);
  const field = explain(capture, "/proc/meminfo").fields.find(({ label }) => label === "MemTotal");
  return `${field?.printed} kB = ${field?.formula?.text} (${field?.formula?.decider?.group ?? "host"})`;
}

export function sizes(capture: Capture, wanted: Class): Map<string, number> {
  const settings = { cpus: "cpuset", "cpu-minimum": 2 };
  const files = list(capture, { settings }).filter((entry) => entry.class === wanted);
  const size = ({ text, bytes }: Rendered): number => text?.length ?? bytes?.length ?? 0;
  return new Map(files.map(({ path }) => [path, size(render(capture, path, { settings }))]));
}

export function errno(capture: Capture, path: string): number {
  try {
    render(capture, path, { clock: capture.now + 5_000_000_000n, state: new Uint8Array(8) });
    return 0;
  } catch (error) {
    if (error instanceof VprocError && error.code !== "trapped") return error.errno;
    throw error;
  }
}

export async function other(component: Parameters<typeof Policy.load>[0]): Promise<string> {
  const { name, knobs } = (await Policy.load(component)).manifest({
    pageSize: 4096,
    userHz: 100,
    hugePageSize: 0n,
    machine: "x86_64",
    settings: [],
  });
  // @ts-expect-error a knob has no such thing
  knobs[0].none;
  return name;
}
