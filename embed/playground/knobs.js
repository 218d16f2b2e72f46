// The knobs that the policy's manifest declares.

import { $, h } from "./dom.js";

/** `a | b | c`: one of these. */
export function choices(values) {
  const words = values.split("|").map((word) => word.trim());
  return words.length > 1 && words.every((word) => /^[\w-]+$/.test(word)) ? words : undefined;
}

/** Forms for all knobs; `set` takes the values that differ from the defaults. */
export function showKnobs(knobs, set, changed) {
  const turn = (knob, value) => {
    if (value === knob.default || value === "") set.delete(knob.name);
    else set.set(knob.name, value);
    changed();
  };
  // A path is a knob, too; it is turned beside the file.
  const named = knobs.filter(({ name }) => !name.startsWith("/"));
  $("knobs").replaceChildren(
    ...named.map((knob) => {
      const words = choices(knob.values);
      return words === undefined ? written(knob, set, turn) : chosen(knob, words, set, turn);
    }),
  );
}

function chosen(knob, words, set, turn) {
  const hint = h("p", { class: "hint", id: `knob-${knob.name}-hint` }, knob.summary);
  const current = set.get(knob.name) ?? knob.default;
  return h(
    "fieldset",
    { class: "knob", "aria-describedby": hint.id },
    h("legend", {}, h("code", {}, knob.name)),
    h(
      "div",
      { class: "segments" },
      ...words.map((word) =>
        h(
          "label",
          {},
          h("input", {
            type: "radio",
            name: `knob-${knob.name}`,
            value: word,
            checked: word === current,
            onchange: () => turn(knob, word),
          }),
          h("span", {}, word),
        ),
      ),
    ),
    hint,
  );
}

function written(knob, set, turn) {
  const id = `knob-${knob.name}`;
  const hint = h("p", { class: "hint", id: `${id}-hint` }, `${knob.summary} (${knob.values})`);
  const box = h("input", {
    id,
    value: set.get(knob.name) ?? knob.default,
    autocomplete: "off",
    "aria-describedby": hint.id,
    oninput: () => turn(knob, box.value.trim()),
  });
  return h("div", { class: "knob" }, h("label", { for: id }, h("code", {}, knob.name)), box, hint);
}
