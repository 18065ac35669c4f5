// Codex, without a terminal: it asks by responses, runs what it is told to, and says what came of it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ALIAS, KEY, URL, run, within } from "./gateway.js";

const settings = {
  model: ALIAS,
  model_provider: "nexus",
  "model_providers.nexus.name": "nexus",
  "model_providers.nexus.base_url": `${URL}/v1`,
  "model_providers.nexus.env_key": "NEXUS_KEY",
  "model_providers.nexus.wire_api": "responses",
  "analytics.enabled": false,
  check_for_update_on_startup: false,
};

test("a task is done with a tool", () =>
  within(async (cwd) => {
    const set = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${JSON.stringify(value)}`]);
    const quiet = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--json"];
    const out = await run("@openai/codex/bin/codex.js", ["exec", ...quiet, ...set, "say hello"], {
      cwd,
      env: { CODEX_HOME: cwd, NEXUS_KEY: KEY },
    });
    const events = out.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
    const items = events.filter((event) => event.type === "item.completed").map((event) => event.item);
    assert.ok(items.some((item) => item.type === "agent_message" && item.text.includes("You said")), out);
    assert.ok(events.some((event) => event.type === "turn.completed" && event.usage.output_tokens > 0), out);
  }));
