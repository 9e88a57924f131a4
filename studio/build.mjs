// Bundles the page into the folder that is named: what the server hands out, nothing else.
import { build } from "esbuild";
import { copyFileSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = process.argv[2];
if (!out) throw new Error("usage: node build.mjs FOLDER");

mkdirSync(out, { recursive: true });
for (const name of ["index.html", "icon.svg"])
  copyFileSync(join(here, "page", name), join(out, name));
const shared = {
  bundle: true,
  minify: true,
  sourcemap: false,
  target: "es2022",
  absWorkingDir: here,
};
await build({
  ...shared,
  entryPoints: ["src/main.js"],
  outfile: resolve(out, "studio.js"),
  format: "esm",
  legalComments: "eof", // three.js is MIT: its notice stays with it
  charset: "utf8",
});
await build({
  ...shared,
  entryPoints: ["src/early.js"],
  outfile: resolve(out, "early.js"),
  format: "iife",
});
await build({ ...shared, entryPoints: ["page/studio.css"], outfile: resolve(out, "studio.css") });
