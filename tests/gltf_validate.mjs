// Prints the Khronos validator's report on a .glb as JSON. NODE_PATH names the folder it is in.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const folder = process.env.NODE_PATH || ".";
const { validateBytes } = createRequire(join(folder, "here.js"))("gltf-validator");
const report = await validateBytes(new Uint8Array(readFileSync(process.argv[2])));
console.log(JSON.stringify(report));
