// Streamed answers: chunks, usage, tools, and streams that end early on either side.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { APIError } from "openai";

import { ALIAS, CITY, HELLO, WEATHER, chunksOf, client, counted } from "./gateway.js";

const text = (chunks) => chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? "")).join("");

for (const model of [ALIAS, "long", "commented", "crlf", "no-usage"]) {
  test(`the chunks say what the whole answer says under the alias: ${model}`, async () => {
    const chunks = await chunksOf({ model });
    const whole = await client().chat.completions.create({ model, messages: HELLO });
    assert.equal(text(chunks), whole.choices[0].message.content);
    assert.ok(chunks.every((chunk) => chunk.model === model));
    assert.equal(chunks.at(-1).choices[0].finish_reason, "stop");
  });
}

test("a Chinese prompt streams unharmed", async () => {
  const chunks = await chunksOf({ model: ALIAS, messages: [{ role: "user", content: "你好，世界" }] });
  assert.ok(text(chunks).includes("你好，世界"));
});

test("usage is shown to those who asked and to no one else", async () => {
  const silent = await chunksOf({ model: ALIAS });
  assert.ok(silent.every((chunk) => chunk.usage == null && chunk.choices.length > 0));
  const asked = await chunksOf({ model: ALIAS, stream_options: { include_usage: true } });
  assert.deepEqual(asked.at(-1).choices, []);
  assert.ok(asked.at(-1).usage.completion_tokens > 0);
  assert.ok(asked.slice(0, -1).every((chunk) => chunk.usage == null));
});

test("a tool call streams in pieces", async () => {
  const chunks = await chunksOf({ model: ALIAS, tools: [WEATHER] });
  const calls = chunks.flatMap((chunk) => chunk.choices[0].delta.tool_calls ?? []);
  assert.equal(calls[0].function.name, "weather");
  assert.ok("city" in JSON.parse(calls.map((call) => call.function.arguments ?? "").join("")));
});

test("a structured answer streams into the form that was asked for", async () => {
  const stream = client().chat.completions.stream({ model: ALIAS, messages: HELLO, response_format: CITY });
  const answer = await stream.finalChatCompletion();
  assert.deepEqual(Object.keys(JSON.parse(answer.choices[0].message.content)), ["name", "population"]);
});

for (const model of ["dies", "cut"]) {
  test(`an answer that breaks off is an error and never passes for whole: ${model}`, async () => {
    await assert.rejects(chunksOf({ model }), (error) => error instanceof APIError && error.status === undefined);
  });
}

test("an abandoned stream is let go", async () => {
  const stream = await client().chat.completions.create({ model: "endless", messages: HELLO, stream: true });
  for await (const _chunk of stream) break;
  const deadline = Date.now() + 15_000;
  while ((await counted("nexus_requests_in_flight")) > 0) {
    assert.ok(Date.now() < deadline, "the request is still in flight");
    await pause(50);
  }
});
