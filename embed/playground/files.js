// The list of files, with how many lines of each differ from the host's.

import { $, h, roving } from "./dom.js";
import { differing } from "./lines.js";

let shown = "";
let run = 0;
const verdicts = new Map();

export function startFiles(choose) {
  const list = $("files");
  roving(list, visible, { across: 0 });
  list.addEventListener("click", ({ target }) => {
    const path = target.closest("button")?.dataset.path;
    if (path === undefined) return;
    choose(path);
    // On a narrow screen the list is above the text.
    if (!matchMedia("(min-width: 48rem)").matches) {
      $("files-section").open = false;
      $("content").focus();
    }
  });
  $("filter").addEventListener("input", filter);
  $("filter").addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    visible()[0]?.focus();
  });
}

const buttons = () => [...$("files").querySelectorAll("button")];
const visible = () => buttons().filter((button) => !button.parentElement.hidden);

/** Shows the files, and which of them is chosen. */
export function showFiles(files, path) {
  const wanted = files.map((file) => file.path).join("\n");
  if (wanted !== shown) {
    shown = wanted;
    $("files").replaceChildren(...files.map(item));
  }
  for (const button of buttons()) {
    const isIt = button.dataset.path === path;
    if (isIt) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  filter();
}

function item(file) {
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", tabindex: "-1", title: file.summary, data: { path: file.path, class: file.class } },
      h("span", { class: `dot ${file.class}`, "aria-hidden": "true" }),
      h("span", { class: "path" }, ...breakable(file.path)),
      h("span", { class: "verdict" }),
    ),
  );
}

/** A path that wraps after a slash. */
function breakable(path) {
  return path.split(/(?<=\/)/).flatMap((part) => [part, h("wbr")]);
}

function filter() {
  const words = $("filter").value.trim().toLowerCase().split(/\s+/);
  let [count, all] = [0, 0];
  for (const button of buttons()) {
    const own = `${button.dataset.path} ${button.dataset.class} ${verdicts.get(button.dataset.path)?.word ?? ""}`;
    button.parentElement.hidden = !words.every((word) => own.toLowerCase().includes(word));
    count += button.parentElement.hidden ? 0 : 1;
    all += 1;
  }
  $("files-count").textContent = count === all ? `${all}` : `${count} of ${all}`;
  const stop = visible().find((button) => button.hasAttribute("aria-current")) ?? visible()[0];
  buttons().forEach((button) => (button.tabIndex = button === stop ? 0 : -1));
}

/** Counts the lines that differ in all files, when there is time. */
export function countDiffering(files, texts) {
  run += 1;
  const own = run;
  const open = [...files];
  verdicts.clear();
  const later = globalThis.requestIdleCallback ?? ((call) => setTimeout(() => call({ timeRemaining: () => 8 }), 16));
  const step = (deadline) => {
    if (own !== run) return;
    while (open.length > 0 && deadline.timeRemaining() > 2) {
      const { path } = open.shift();
      verdicts.set(path, verdict(texts(path)));
    }
    if (open.length > 0) later(step);
    else showVerdicts();
  };
  later(step);
}

function verdict({ own, host, error }) {
  if (error !== undefined) return { mark: error.code === "denied" ? "denied" : "error", word: error.code };
  if (own === undefined || host === undefined) return { mark: "", word: "" };
  const lines = differing(host, own);
  return lines === 0 ? { mark: "", word: "same" } : { mark: String(lines), word: "differs", lines };
}

function showVerdicts() {
  for (const button of buttons()) {
    const { mark = "", lines } = verdicts.get(button.dataset.path) ?? {};
    const own = button.querySelector(".verdict");
    own.textContent = mark;
    if (lines !== undefined) own.append(h("span", { class: "sr" }, lines === 1 ? " line differs" : " lines differ"));
  }
  if ($("filter").value !== "") filter();
  document.body.dataset.counted = String(run);
}
