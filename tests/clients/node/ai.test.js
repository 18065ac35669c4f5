// Vercel's AI SDK: words, a stream, a loop with a tool, an object.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

import { ALIAS, KEY, URL } from "./gateway.js";

const provider = createOpenAICompatible({
  name: "nexus",
  baseURL: `${URL}/v1`,
  apiKey: KEY,
  supportsStructuredOutputs: true,
});
const model = provider(ALIAS);

test("words come whole and streamed", async () => {
  const whole = await generateText({ model, prompt: "hello", maxRetries: 0 });
  assert.ok(whole.text.includes("hello"));
  let streamed = "";
  for await (const piece of streamText({ model, prompt: "hello", maxRetries: 0 }).textStream) streamed += piece;
  assert.equal(streamed, whole.text);
});

test("a tool is called, and the loop ends with words", async () => {
  const called = [];
  const weather = tool({
    description: "The weather of a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => (called.push(city), "sunny"),
  });
  const prompt = "weather in Lisbon?";
  const answer = await generateText({ model, prompt, tools: { weather }, stopWhen: stepCountIs(3), maxRetries: 0 });
  assert.equal(called.length, 1);
  assert.ok(answer.text);
});

test("an object is answered with", async () => {
  const schema = z.object({ name: z.string() });
  const { object } = await generateObject({ model, schema, prompt: "a city", maxRetries: 0 });
  assert.equal(typeof object.name, "string");
});
