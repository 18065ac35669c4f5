// Anthropic's own SDK behind the same aliases: whole and streamed messages, tools, failures, counted tokens.

import assert from "node:assert/strict";
import { test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";

import { ADMIN_KEY, ALIAS, HELLO, KEY, LACKS, URL } from "./gateway.js";

const WEATHER = {
  name: "weather",
  description: "The weather of a city.",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

/** A client that does not retry, so that each failure is seen once. */
const client = (options = {}) =>
  new Anthropic({ baseURL: URL, apiKey: KEY, maxRetries: 0, timeout: 30_000, ...options });

const ask = (request, from = client()) =>
  from.messages.create({ model: ALIAS, messages: HELLO, max_tokens: 100, ...request });

/** The call in a message; thoughts may stand before it. */
const called = (message) => message.content.find((block) => block.type === "tool_use");

for (const prompt of ["hello", "你好，世界", '🙂 \u0000 "quoted" \\ \n line']) {
  test(`the message says what was asked under the alias: ${JSON.stringify(prompt)}`, async () => {
    const message = await ask({ messages: [{ role: "user", content: prompt }] });
    assert.deepEqual([message.model, message.type, message.stop_reason], [ALIAS, "message", "end_turn"]);
    assert.ok(message.content[0].text.includes(prompt));
    assert.ok(message._request_id);
    assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0);
  });
}

test("a tool is called and its result taken", async () => {
  const messages = [{ role: "user", content: "weather in Lisbon?" }];
  const asked = await ask({ messages, tools: [WEATHER] });
  assert.equal(asked.stop_reason, "tool_use");
  const call = called(asked);
  assert.equal(call.name, "weather");
  assert.ok("city" in call.input);
  const result = { type: "tool_result", tool_use_id: call.id, content: "sunny" };
  messages.push({ role: "assistant", content: asked.content }, { role: "user", content: [result] });
  const answer = await ask({ messages, tools: [WEATHER] });
  assert.equal(answer.stop_reason, "end_turn");
});

test("tokens are counted", async () => {
  const { input_tokens } = await client().messages.countTokens({ model: ALIAS, messages: HELLO });
  assert.ok(input_tokens > 0);
});

for (const model of [ALIAS, "long", "commented", "crlf"]) {
  test(`the events say what the whole message says: ${model}`, async () => {
    const message = await client().messages.stream({ model, messages: HELLO, max_tokens: 100 }).finalMessage();
    const whole = await ask({ model });
    assert.equal(message.model, model);
    assert.deepEqual(message.content[0].text, whole.content[0].text);
    assert.equal(message.stop_reason, whole.stop_reason);
  });
}

test("a tool call streams in pieces", async () => {
  const request = { model: ALIAS, messages: HELLO, max_tokens: 100, tools: [WEATHER] };
  const message = await client().messages.stream(request).finalMessage();
  assert.equal(message.stop_reason, "tool_use");
  assert.ok("city" in called(message).input);
});

for (const tool_choice of [{ type: "any" }, { type: "tool", name: "weather" }]) {
  test(`a tool is called that must be, or it is said that it cannot: ${tool_choice.type}`, async () => {
    const request = { model: ALIAS, messages: HELLO, max_tokens: 100, tools: [WEATHER], tool_choice };
    if (LACKS.has("forced_tools")) {
      await assert.rejects(ask(request), (error) => error.status === 400 && error.message.includes("tool_choice"));
      return;
    }
    assert.equal(called(await ask(request)).name, "weather");
    assert.equal(called(await client().messages.stream(request).finalMessage()).name, "weather");
  });
}

for (const model of ["dies", "cut"]) {
  test(`an answer that breaks off is an error and never passes for whole: ${model}`, async () => {
    const stream = client().messages.stream({ model, messages: HELLO, max_tokens: 100 });
    await assert.rejects(stream.finalMessage(), Anthropic.AnthropicError);
  });
}

const REFUSALS = [
  ["an unknown model", { model: "no-such-model" }, Anthropic.NotFoundError, "not_found_error"],
  ["messages that are no list", { messages: "hello" }, Anthropic.BadRequestError, "invalid_request_error"],
  ["no answer at all", { max_tokens: 0 }, Anthropic.BadRequestError, "invalid_request_error"],
];

for (const [name, request, kind, word] of REFUSALS) {
  test(`a message that cannot be had is refused in the vendor's shape: ${name}`, async () => {
    await assert.rejects(ask(request), (error) => {
      assert.ok(error instanceof kind, String(error));
      assert.equal(error.error.error.type, word);
      assert.ok(error.requestID);
      return true;
    });
  });
}

test("keys, limits and broken providers are the SDK's own classes", async () => {
  await assert.rejects(ask({}, client({ apiKey: "nonsense" })), Anthropic.AuthenticationError);
  await assert.rejects(ask({}, client({ apiKey: ADMIN_KEY })), Anthropic.PermissionDeniedError);
  await assert.rejects(ask({ model: "limited" }), Anthropic.RateLimitError);
  await assert.rejects(ask({ model: "broken" }), Anthropic.InternalServerError);
});
