// Claude Code, without a terminal: it asks by messages, runs the one tool it has, and says what came of it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ALIAS, KEY, URL, run, within } from "./gateway.js";

test("a task is done with a tool", () =>
  within(async (cwd) => {
    const env = {
      ANTHROPIC_BASE_URL: URL,
      ANTHROPIC_API_KEY: KEY,
      ANTHROPIC_SMALL_FAST_MODEL: ALIAS,
      ANTHROPIC_DEFAULT_HAIKU_MODEL: ALIAS,
      CLAUDE_CONFIG_DIR: cwd,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
      DISABLE_TELEMETRY: "1",
      DISABLE_ERROR_REPORTING: "1",
      DISABLE_AUTOUPDATER: "1",
    };
    const args = ["-p", "say hello", "--model", ALIAS, "--output-format", "json"];
    const tools = ["--tools", "Bash", "--allowedTools", "Bash", "--max-turns", "4"];
    // the one that needs no script of its installation
    const out = await run("@anthropic-ai/claude-code/cli-wrapper.cjs", [...args, ...tools], { cwd, env });
    const said = JSON.parse(out);
    assert.deepEqual([said.type, said.is_error], ["result", false], out);
    assert.ok(said.result.includes("You said"), out);
    assert.equal(said.num_turns, 2, out);
    assert.ok(said.usage.output_tokens > 0, out);
  }));
