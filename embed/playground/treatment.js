// What the chosen file is, and how it is treated.

import { $, h } from "./dom.js";
import { choices } from "./knobs.js";

/** Fallback where the policy declares no knob for paths. */
const AS_DECLARED = ["virtual"];

let shown;

export function showHead({ path, file, knobs, treatments, changed }) {
  const wanted = JSON.stringify([path, file, knobs, [...treatments]]);
  if (shown === wanted) return;
  shown = wanted;
  $("path").replaceChildren(h("code", {}, path), " ", chip(file?.class));
  $("summary").textContent = file?.summary ?? "";
  $("reason").textContent = file?.reason ? `Because: ${file.reason}` : "";
  const knob = knobs.find(({ name }) => name.startsWith("/"));
  const words = knob === undefined ? AS_DECLARED : (choices(knob.values) ?? AS_DECLARED);
  const pattern = file?.pattern ?? path;
  const isMany = pattern !== path;
  const select = $("treatment");
  select.replaceChildren(...words.map((word) => h("option", { value: word }, word)));
  select.value = treatments.get(pattern) ?? knob?.default ?? words[0];
  select.setAttribute("aria-label", isMany ? `Treatment of ${pattern}` : `Treatment of ${path}`);
  select.title = knob?.summary ?? "";
  select.onchange = () => {
    if (select.value === knob?.default) treatments.delete(pattern);
    else treatments.set(pattern, select.value);
    changed();
  };
}

function chip(word) {
  return word === undefined ? "" : h("span", { class: `chip ${word}` }, word);
}
