import assert from "node:assert/strict";
import { test } from "node:test";
import { add, NOTHING } from "./chat.ts";

test("an answer grows by the parts of a stream, its calls of tools by their places", () => {
  const parts = [
    { choices: [{ delta: { content: "" } }] },
    { choices: [{ delta: { content: "Hel" } }] },
    { choices: [{ delta: { content: "lo" } }] },
    { choices: [{ delta: { tool_calls: [{ index: 1, function: { name: "time", arguments: "{" } }] } }] },
    { choices: [{ delta: { tool_calls: [{ index: 1, function: { arguments: "}" } }, { index: 0, function: { name: "rain", arguments: "{}" } }] }, finish_reason: "tool_calls" }] },
    { choices: [], usage: { prompt_tokens: 3, completion_tokens: 5 } },
  ];
  const answer = parts.reduce((sum, part, index) => add(sum, part, index), NOTHING);
  assert.equal(answer.text, "Hello");
  assert.deepEqual(answer.tools, [{ name: "rain", arguments: "{}" }, { name: "time", arguments: "{}" }]);
  assert.deepEqual([answer.firstToken, answer.finish, answer.prompt, answer.completion], [1, "tool_calls", 3, 5]);
});

test("a whole answer is told as one part, and an error of a stream is one", () => {
  const whole = add(NOTHING, { choices: [{ message: { content: "hi", tool_calls: [{ function: { name: "a", arguments: "{}" } }] }, finish_reason: "stop" }] }, 7);
  assert.deepEqual([whole.text, whole.tools[0]?.name, whole.firstToken, whole.finish], ["hi", "a", 7, "stop"]);
  assert.throws(() => add(NOTHING, { error: { message: "it broke" } }, 0), /it broke/);
});
