// The form in which a motion is asked for.

import { find, make, seconds } from "../dom.js";

const EXAMPLES = [
  "waves the left hand",
  "walks in a circle",
  "jumps forward",
  "kicks",
  "sits down",
];
const VARIANTS = [1, 2, 3, 4];

/** Wire up the form. */
export function prompt(studio) {
  const [form, text, length, auto, seed] = ["make", "prompt", "length", "auto", "seed"].map(find);
  examples(text);
  variants(studio.about.samples);
  length.max = Math.min(studio.about.seconds, 60);
  const shown = () => {
    length.disabled = auto.checked;
    find("length-text").value = auto.checked ? "automatic" : seconds(length.valueAsNumber);
  };
  for (const field of [length, auto]) field.addEventListener("input", shown);
  shown();
  find("dice").addEventListener("click", () => {
    seed.value = Math.floor(Math.random() * 1e6);
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    text.value = text.value.trim() || text.placeholder;
    studio.notices.clear();
    studio.generate({
      text: text.value,
      seconds: auto.checked ? null : length.valueAsNumber,
      samples: Number(form.elements.samples.value),
      seed: seed.valueAsNumber,
    });
  });
  narrow(matchMedia("(max-width: 860px)"));
}

function examples(text) {
  for (const example of EXAMPLES) {
    const button = make("button", { type: "button" }, example);
    button.addEventListener("click", () => {
      text.value = `a person ${example}`;
      text.focus();
    });
    find("examples").append(button);
  }
}

function variants(most) {
  for (const count of VARIANTS.filter((value) => value <= most)) {
    const field = make("input", {
      type: "radio",
      name: "samples",
      value: count,
      checked: count === 1,
    });
    find("samples").append(make("label", {}, field, make("span", {}, `${count}`)));
  }
}

/** Options are folded away where there is little room. */
function narrow(little) {
  const fold = () => {
    find("options").open = !little.matches;
  };
  little.addEventListener("change", fold);
  fold();
}
