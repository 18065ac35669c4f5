// What every suite here shares: where the gateway is, a client for it, and its counters.

import assert from "node:assert/strict";

import OpenAI from "openai";

export const { NEXUS_URL: URL, NEXUS_KEY: KEY, NEXUS_ADMIN_KEY: ADMIN_KEY } = process.env;
export const ALIAS = "nexus-gpt4";
export const EMBEDDER = "embedder";
export const HELLO = [{ role: "user", content: "hello" }];

export const WEATHER = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather of a city.",
    strict: true,
    parameters: {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    },
  },
};

export const CITY = {
  type: "json_schema",
  json_schema: {
    name: "city",
    strict: true,
    schema: {
      type: "object",
      properties: { name: { type: "string" }, population: { type: "integer" } },
      required: ["name", "population"],
      additionalProperties: false,
    },
  },
};

/** A client that does not retry, so that each failure is seen once. */
export function client(options = {}) {
  return new OpenAI({ baseURL: `${URL}/v1`, apiKey: KEY, maxRetries: 0, timeout: 30_000, ...options });
}

export const LACKS = new Set((process.env.NEXUS_LACKS ?? "").split(",").filter(Boolean));

/** A test of what not every dialect can say; where one cannot, the request is refused by the member's name. */
export function needs(feature, param, run) {
  return async () => (LACKS.has(feature) ? assert.rejects(run(), { status: 400, param }) : run());
}

/** All chunks of a streamed answer. */
export async function chunksOf(request) {
  const chunks = [];
  for await (const chunk of await client().chat.completions.create({ messages: HELLO, stream: true, ...request })) {
    chunks.push(chunk);
  }
  return chunks;
}

/** The sum of a metric's samples that have these labels. */
export async function counted(name, labels = {}) {
  const answer = await fetch(process.env.NEXUS_METRICS_URL);
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return (await answer.text())
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => wanted.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}
