// Which machine, and the limits of its groups.

import { $, h } from "./dom.js";
import { groups, slider, written } from "./limits.js";
import { isPolicy } from "./own.js";

/** A larger capture is not one of a machine that a person looks at. */
const MOST_BYTES = 64 << 20;

export function startMachine({ names, pick, open, openPolicy }) {
  const select = $("capture");
  select.append(...names.map((name) => h("option", { value: name }, name)));
  select.addEventListener("change", () => {
    fail("");
    pick(select.value);
  });
  $("file").addEventListener("change", ({ target }) => {
    take(target.files[0]);
    target.value = "";
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragging");
  });
  for (const end of ["dragleave", "drop"]) {
    document.addEventListener(end, () => document.body.classList.remove("dragging"));
  }
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file !== undefined) sorted(file);
  });

  /** Both may be dropped anywhere. */
  async function sorted(file) {
    if (await isPolicy(file)) openPolicy(file);
    else take(file);
  }

  async function take(file) {
    if (file === undefined) return;
    try {
      if (file.size > MOST_BYTES) throw new Error("it has more than 64 MiB");
      await open(file.name, await file.text());
      fail("");
    } catch (error) {
      fail(`${file.name}: ${error.message}`);
    }
  }
}

function fail(message) {
  $("capture-error").textContent = message;
}

const CGROUPS = { v1: "cgroup v1", v2: "cgroup v2", hybrid: "cgroup v1 and v2", none: "no cgroups" };

export function showMachine(name, { origin, environment, isHost, now }) {
  const select = $("capture");
  if (![...select.options].some(({ value }) => value === name)) {
    select.append(h("option", { value: name }, name));
  }
  select.value = name;
  $("note").textContent = String(origin.note ?? "");
  const facts = [
    ["Kernel", `${origin.kernel ?? "?"}, ${environment.machine}`],
    ["Groups", CGROUPS[origin.cgroup] ?? String(origin.cgroup)],
    ["Identity", isHost ? "the host itself" : String(origin.identity ?? "?")],
    ["Up for", duration(now)],
  ];
  $("facts").replaceChildren(...facts.map(([term, fact]) => h("div", {}, h("dt", {}, term), h("dd", {}, fact))));
}

function duration(nanoseconds) {
  const seconds = Number(nanoseconds / 1_000_000_000n);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

/** A form for each group; `edits` takes the texts that differ. */
export function showLimits(capture, edits, changed) {
  const found = groups(capture);
  const hint = found.length > 0
    ? "The lowest over all groups counts."
    : "This is the root group, which has no limits. Choose a container’s capture to change some.";
  $("limits-hint").textContent = hint;
  $("limits").replaceChildren(
    ...found.map(({ level, path, fields }) =>
      h(
        "fieldset",
        { class: "group" },
        h("legend", {}, h("code", {}, path), " ", h("span", {}, level === 0 ? "the leaf" : `${level} above`)),
        h("div", { class: "fields" }, ...fields.map((field) => input(field, path, capture, edits, changed))),
      ),
    ),
  );
}

function input(field, path, capture, edits, changed) {
  const { limit, level } = field;
  const id = `limit-${level}-${limit.label.replaceAll(/\W+/g, "-")}`;
  const error = h("span", { id: `${id}-error`, class: "error", role: "alert" });
  const range = slider(limit, capture);
  const take = () => {
    const key = `${limit.source} ${level}`;
    try {
      const text = written(field, box.value);
      if (text.trim() === field.raw.trim()) edits.delete(key);
      else edits.set(key, text);
      error.textContent = "";
      box.removeAttribute("aria-invalid");
      box.classList.toggle("edited", edits.has(key));
      bar?.setAttribute("aria-valuetext", box.value.trim());
      changed();
      return true;
    } catch ({ message }) {
      error.textContent = message;
      box.setAttribute("aria-invalid", "true");
      return false;
    }
  };
  const box = h("input", {
    id,
    value: field.value,
    placeholder: limit.hint,
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": error.id,
    data: { level, limit: limit.label },
    oninput: () => {
      if (take() && bar !== undefined) bar.value = range.place(box.value.trim());
    },
  });
  const bar =
    range &&
    h("input", {
      type: "range",
      min: String(range.first),
      max: String(range.last),
      value: String(range.place(field.value)),
      "aria-label": `${limit.label} of ${path}, as a slider`,
      "aria-valuetext": field.value,
      data: { slider: `${level} ${limit.label}` },
      oninput: () => {
        box.value = range.text(Number(bar.value));
        take();
      },
    });
  const label = h("label", { for: id }, limit.label, h("span", { class: "sr" }, ` of ${path}`));
  return h("div", { class: "field" }, label, box, bar, error);
}
