// Gemini CLI, without a terminal: it asks in Google's words, runs the one tool it has, and says what came of it.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { ALIAS, KEY, URL, run, within } from "./gateway.js";

const SETTINGS = {
  security: { auth: { selectedType: "gemini-api-key" }, folderTrust: { enabled: false } },
  privacy: { usageStatisticsEnabled: false },
  telemetry: { enabled: false },
  general: { enableAutoUpdate: false, enableAutoUpdateNotification: false, disableAutoUpdate: true },
  tools: { core: ["list_directory"] },
};

test("a task is done with a tool", () =>
  within(async (cwd) => {
    await mkdir(join(cwd, ".gemini"));
    await writeFile(join(cwd, ".gemini", "settings.json"), JSON.stringify(SETTINGS));
    const env = { GEMINI_API_KEY: KEY, GOOGLE_GEMINI_BASE_URL: URL, GEMINI_CLI_TRUST_WORKSPACE: "true" };
    const args = ["-p", "say hello", "--model", ALIAS, "--output-format", "json", "--approval-mode", "yolo"];
    const said = JSON.parse(await run("@google/gemini-cli/bundle/gemini.js", args, { cwd, env }));
    assert.ok(said.response.includes("You said"), JSON.stringify(said));
    assert.ok(said.stats.tools.totalCalls > 0, JSON.stringify(said.stats));
  }));
