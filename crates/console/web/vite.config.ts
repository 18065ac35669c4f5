// How the console is built: into `dist`, with digests in the names of files and a compressed twin beside each.

import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const DIST = join(import.meta.dirname, "dist");
/** What is hardly smaller compressed is sent as it is. */
const COMPRESSED_FROM_BYTES = 512;

/** Keeps the folder and its `.gitignore`, by which cargo watches it. */
function emptied(): Plugin {
  return {
    name: "emptied",
    apply: "build",
    buildStart() {
      for (const name of readdirSync(DIST)) {
        if (name !== ".gitignore") rmSync(join(DIST, name), { recursive: true });
      }
    },
  };
}

function compressed(): Plugin {
  const compress = (folder: string): void => {
    for (const name of readdirSync(folder)) {
      const file = join(folder, name);
      if (statSync(file).isDirectory()) compress(file);
      else if (!name.startsWith(".") && statSync(file).size >= COMPRESSED_FROM_BYTES) {
        writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }));
      }
    }
  };
  return { name: "compressed", apply: "build", closeBundle: () => compress(DIST) };
}

/** A gateway that runs already, for `vite preview` while the console is worked on. */
const gateway = {
  target: process.env["NEXUS_URL"] ?? "http://127.0.0.1:8080",
  // a session is only for pages of the host that is asked
  changeOrigin: false,
};

export default defineConfig({
  base: "/console/",
  plugins: [emptied(), compressed()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: DIST,
    emptyOutDir: false,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  preview: { proxy: { "/admin": gateway, "/v1": gateway } },
});
