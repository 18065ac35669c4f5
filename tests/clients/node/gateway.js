// What every client here shares: where the gateway is, and how a command is run.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const { NEXUS_URL: URL, NEXUS_KEY: KEY } = process.env;
export const ALIAS = "nexus-gpt4";

/** A folder that is gone afterwards. */
export async function within(use) {
  const folder = await mkdtemp(join(tmpdir(), "nexus-clients-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a script of a package here says, once it has ended well; it has no terminal, and asks nobody. */
export function run(script, args, { cwd, env }) {
  const inherited = { PATH: process.env.PATH, LANG: "C.UTF-8", HOME: cwd, TMPDIR: cwd };
  const child = spawn(process.execPath, [join(import.meta.dirname, "node_modules", script), ...args], {
    cwd,
    env: { ...inherited, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 120_000,
  });
  return new Promise((resolve, reject) => {
    const said = { out: "", err: "" };
    child.stdout.on("data", (piece) => (said.out += piece));
    child.stderr.on("data", (piece) => (said.err += piece));
    child.on("error", reject);
    child.on("close", (code) =>
      code === 0 ? resolve(said.out) : reject(new Error(`${script} ended with ${code}: ${said.out}${said.err}`)),
    );
  });
}
