// Carries out what the set-up page tells people to write, as they would: with the client itself where it is installed
// beside this suite, else with what is known of the first request it makes.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { KEY } from "./gateway.js";

const PYTHON = process.env.NEXUS_PYTHON;
const ENV = { ...process.env, NEXUS_KEY: KEY };
const TIMEOUT_MS = 120_000;

async function run(program, ...args) {
  const { stdout } = await promisify(execFile)(program, args, { env: ENV, timeout: TIMEOUT_MS });
  return stdout.trim();
}

const python = (snippet) => run(PYTHON, "-c", snippet);

async function node(snippet, id) {
  await writeFile(`snippet-${id}.mjs`, snippet);
  return run(process.execPath, `snippet-${id}.mjs`);
}

const bash = (snippet) => run("bash", "-euc", snippet);

/** The snippet with a function in the place of a program that is not here. */
const instead = (program, body) => (snippet) => bash(`${program}() { ${body}; }\n${snippet}`);

const JSON_TYPE = '-H "content-type: application/json"';

/** A request to the gateway, and what it says. */
async function ask(url, body) {
  const answer = await fetch(url, {
    method: body ? "POST" : "GET",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  assert.equal(answer.status, 200, `${url}: ${text}`);
  return text;
}

/** Codex: its file, read as what it is, and the request it makes by it. */
async function codex(snippet) {
  const read = "import json, sys, tomllib; print(json.dumps(tomllib.loads(sys.argv[1])))";
  const { model, model_provider, model_providers } = JSON.parse(await run(PYTHON, "-c", read, snippet));
  const { base_url, env_key, wire_api } = model_providers[model_provider];
  assert.deepEqual([env_key, wire_api], ["NEXUS_KEY", "responses"]);
  return ask(`${base_url}/responses`, { model, input: "hello" });
}

/** Cherry Studio: a form of a desktop program, which adds the path of the API to the host. */
async function cherryStudio(snippet) {
  const written = (name) => new RegExp(`^ +${name} +(\\S+)$`, "m").exec(snippet)[1];
  assert.deepEqual([written("Provider type"), written("API key")], ["OpenAI", "$NEXUS_KEY"]);
  return ask(`${written("API host")}/v1/chat/completions`, { model: written("Model"), messages: [{ role: "user", content: "hello" }] });
}

/** How each client's snippet is carried out; what it prints is its answer. */
const WAYS = {
  curl: bash,
  "openai-python": python,
  "openai-node": node,
  "anthropic-python": python,
  langchain: python,
  "vercel-ai": node,
  codex,
  "claude-code": instead(
    "claude",
    `curl -fsS "$ANTHROPIC_BASE_URL/v1/messages" -H "authorization: Bearer $ANTHROPIC_AUTH_TOKEN" -H "anthropic-version: 2023-06-01" ${JSON_TYPE} ` +
      `-d "{\\"model\\":\\"$ANTHROPIC_MODEL\\",\\"max_tokens\\":20,\\"messages\\":[{\\"role\\":\\"user\\",\\"content\\":\\"hello\\"}]}"`,
  ),
  "open-webui": instead(
    "docker",
    'for word in "$@"; do case "$word" in OPENAI_API_*) export "$word";; esac; done; curl -fsS "$OPENAI_API_BASE_URL/models" -H "authorization: Bearer $OPENAI_API_KEY"',
  ),
  "cherry-studio": cherryStudio,
};

/** Carries a client's snippet out; every client has a way, and every way an answer. */
export async function carryOut(id, snippet) {
  assert.ok(Object.hasOwn(WAYS, id), `nobody has said how the snippet of ${id} is carried out`);
  const said = await WAYS[id](snippet, id);
  assert.ok(said.length > 0, `the snippet of ${id} says nothing`);
  return said;
}
