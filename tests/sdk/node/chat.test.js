// Whole answers: text, tools, structured output, models.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ALIAS, CITY, HELLO, WEATHER, client } from "./gateway.js";

for (const prompt of ["hello", "你好，世界", '🙂 \u0000 "quoted" \\ \n line']) {
  test(`the answer says what was asked under the alias: ${JSON.stringify(prompt)}`, async () => {
    const messages = [{ role: "user", content: prompt }];
    const answer = await client().chat.completions.create({ model: ALIAS, messages });
    assert.equal(answer.model, ALIAS);
    assert.ok(answer.choices[0].message.content.includes(prompt));
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
  });
}

test("a tool is called and its result taken", async () => {
  const messages = [{ role: "user", content: "weather in Lisbon?" }];
  const asked = await client().chat.completions.create({ model: ALIAS, messages, tools: [WEATHER] });
  assert.equal(asked.choices[0].finish_reason, "tool_calls");
  const [call] = asked.choices[0].message.tool_calls;
  assert.equal(call.function.name, "weather");
  assert.ok("city" in JSON.parse(call.function.arguments));
  messages.push(asked.choices[0].message, { role: "tool", tool_call_id: call.id, content: "sunny" });
  const answer = await client().chat.completions.create({ model: ALIAS, messages, tools: [WEATHER] });
  assert.equal(answer.choices[0].finish_reason, "stop");
});

test("a structured answer is parsed", async () => {
  const answer = await client().chat.completions.parse({ model: ALIAS, messages: HELLO, response_format: CITY });
  assert.deepEqual(Object.keys(answer.choices[0].message.parsed), ["name", "population"]);
});

test("a raw answer carries a request id", async () => {
  const { data, response, request_id } = await client()
    .chat.completions.create({ model: ALIAS, messages: HELLO })
    .withResponse();
  assert.equal(data.model, ALIAS);
  assert.ok(request_id);
  assert.equal(response.headers.get("x-request-id"), request_id);
});

test("the aliases are listed and found one by one", async () => {
  const listed = [];
  for await (const model of client().models.list()) listed.push(model.id);
  assert.ok(listed.includes(ALIAS));
  const found = await client().models.retrieve(ALIAS);
  assert.equal(found.id, ALIAS);
  assert.equal(found.object, "model");
});
