// The list of files, with how many lines of each differ from the host's, and which
// the default policy shows otherwise.

import { $, h, roving } from "./dom.js";
import { differing } from "./lines.js";

/** Marks a file that the default policy shows otherwise. */
const UNLIKE = "≠";

let shown = "";
let run = 0;
let verdicts = new Map();

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
  $("unlike-only").addEventListener("click", ({ target }) => {
    target.setAttribute("aria-pressed", String(target.getAttribute("aria-pressed") !== "true"));
    filter();
  });
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
    filter();
  }
  for (const button of buttons()) {
    const isIt = button.dataset.path === path;
    if (isIt) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  moveStop();
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
  const isOnly = $("unlike-only").getAttribute("aria-pressed") === "true";
  let [count, all] = [0, 0];
  for (const button of buttons()) {
    const { word = "", isUnlike } = verdicts.get(button.dataset.path) ?? {};
    const own = `${button.dataset.path} ${button.dataset.class} ${word}`.toLowerCase();
    button.parentElement.hidden = !words.every((word) => own.includes(word)) || (isOnly && !isUnlike);
    count += button.parentElement.hidden ? 0 : 1;
    all += 1;
  }
  $("files-count").textContent = count === all ? `${all}` : `${count} of ${all}`;
  moveStop();
}

/** One file of the list is a stop of the tabulator key. */
function moveStop() {
  const there = visible();
  const stop = there.find((button) => button.hasAttribute("aria-current")) ?? there[0];
  for (const button of buttons()) {
    const place = button === stop ? 0 : -1;
    if (button.tabIndex !== place) button.tabIndex = place;
  }
}

/** Says which files of the default policy are not in the list. */
export function showAbsent({ files, unrecorded }, byDefault) {
  const shown = new Set(files.map(({ path }) => path));
  const absent = byDefault.filter(({ path }) => !shown.has(path));
  const needing = absent.filter(({ pattern }) => unrecorded.includes(pattern)).length;
  const gone = absent.length - needing;
  const said = [
    gone === 0 ? "" : `${counted(gone, "file")} of the default policy ${gone === 1 ? "is" : "are"} not served.`,
    needing === 0 ? "" : `For ${counted(needing, "file")} this policy needs what this capture does not have.`,
  ].filter((words) => words !== "");
  $("absent").textContent = said.join(" ");
  $("absent").hidden = said.length === 0;
}

const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

const idle = () =>
  new Promise((resolve) => {
    if (globalThis.requestIdleCallback !== undefined) requestIdleCallback(resolve);
    else setTimeout(() => resolve({ timeRemaining: () => 8 }), 16);
  });

/** So many files without an answer, and the others are not asked for. */
const MOST_TIMEOUTS = 2;

/**
 * Counts the lines that differ in all files, when there is time, until the next
 * change. `byDefault` gives what another policy shows, to mark what it shows otherwise.
 */
export async function countDiffering(files, { own, host, byDefault }) {
  const mine = (run += 1);
  const isWanted = () => mine === run;
  const found = new Map();
  let timeouts = 0;
  let deadline = await idle();
  for (const { path } of files) {
    while (isWanted() && deadline.timeRemaining() <= 2) deadline = await idle();
    if (!isWanted()) return;
    const asked = own(path, isWanted);
    const answer = asked instanceof Promise ? await asked : asked;
    if (!isWanted()) return;
    found.set(path, verdict(answer, host(path), byDefault?.(path)));
    timeouts += answer.error?.code === "timeout" ? 1 : 0;
    if (timeouts >= MOST_TIMEOUTS) break;
  }
  verdicts = found;
  showVerdicts(byDefault !== undefined);
}

function verdict({ value, error }, host, byDefault) {
  const isUnlike = byDefault !== undefined && (value !== byDefault.value || error?.code !== byDefault.error?.code);
  if (error !== undefined) return { mark: MARKS[error.code] ?? "error", word: error.code, isUnlike };
  if (host === undefined) return { mark: "", word: "", isUnlike };
  const lines = differing(host, value);
  return lines === 0 ? { mark: "", word: "same", isUnlike } : { mark: String(lines), word: "differs", lines, isUnlike };
}

const MARKS = { denied: "denied", timeout: "timeout" };

function showVerdicts(isCompared) {
  let unlike = 0;
  for (const button of buttons()) {
    const { mark = "", lines, isUnlike } = verdicts.get(button.dataset.path) ?? {};
    const own = button.querySelector(".verdict");
    own.textContent = mark;
    if (lines !== undefined) own.append(h("span", { class: "sr" }, lines === 1 ? " line differs" : " lines differ"));
    if (!isUnlike) continue;
    unlike += 1;
    own.append(
      h("span", { class: "unlike", "aria-hidden": "true" }, UNLIKE),
      h("span", { class: "sr" }, ", not as the default policy has it"),
    );
  }
  $("unlike").hidden = !isCompared;
  const differ = unlike === 1 ? "differs" : "differ";
  $("unlike-count").textContent = `${counted(unlike, "file")} ${differ} from the default policy’s.`;
  $("unlike-only").hidden = unlike === 0;
  if (unlike === 0) $("unlike-only").setAttribute("aria-pressed", "false");
  filter();
  document.body.dataset.counted = String(run);
}
