// The code of docs/signed-requests.md, run as it stands there.

import { readFile, rm, writeFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";

const PAGE = `${process.env.NEXUS_DOCS}/signed-requests.md`;

/** The page's one block of JavaScript with this mark. */
export async function code(mark) {
  const found = [...(await readFile(PAGE, "utf8")).matchAll(/^```js (\w+)\n(.*?)^```/gms)].filter(([, is]) => is === mark);
  if (found.length !== 1) throw new Error(`${found.length} blocks of ${PAGE} are marked \`js ${mark}\``);
  return found[0][2];
}

/** Runs code of the page as a module beside this one, where `openai` is found; gives what it exports. */
export async function run(text) {
  const file = new URL(`./page-${randomUUID()}.mjs`, import.meta.url);
  await writeFile(file, text);
  try {
    return await import(file);
  } finally {
    await rm(file);
  }
}
