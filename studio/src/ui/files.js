// Files that are opened, or dropped anywhere on the page.

import { find } from "../dom.js";

/** Wire up opening and dropping. */
export function files(studio) {
  const [field, stage] = ["file", "stage"].map(find);
  const open = (file) => {
    studio.notices.clear();
    studio.upload(file);
  };
  field.accept = studio.about.reads.map((format) => `.${format}`).join(",");
  find("open").addEventListener("click", () => field.click());
  field.addEventListener("change", () => {
    if (field.files.length) open(field.files[0]);
    field.value = ""; // the same file may be opened again
  });
  const over = (is) => stage.classList.toggle("over", is);
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    over(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) over(false);
  });
  document.addEventListener("drop", (event) => {
    over(false);
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    open(event.dataTransfer.files[0]);
  });
}
