// Paths in which a `*` stands for a number: `/sys/devices/system/cpu/cpu*`.

// PID_MAX_LIMIT of the kernel.
const LAST_NUMBER = 4194304;

export const isPattern = (path) => path.includes("*");

/** Whether a name is what a component of a pattern stands for. */
export function standsFor(pattern, name) {
  if (!isPattern(pattern)) return pattern === name;
  const literal = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  const match = new RegExp(`^${literal.join("(0|[1-9][0-9]{0,6})")}$`).exec(name);
  return match !== null && match.slice(1).every((number) => Number(number) <= LAST_NUMBER);
}

/** Whether a path is what a pattern stands for, component by component. */
export function pathStandsFor(pattern, path) {
  if (!path.startsWith(pattern.split("*", 1)[0])) return false;
  const [patterns, names] = [pattern.split("/"), path.split("/")];
  return (
    patterns.length === names.length &&
    patterns.every((component, place) => standsFor(component, names[place]))
  );
}
