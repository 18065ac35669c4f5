// Google's own SDK behind the same aliases: whole and streamed answers, functions, failures, counted tokens.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError, GoogleGenAI, Type } from "@google/genai";

import { ADMIN_KEY, ALIAS, KEY, URL } from "./gateway.js";

const WEATHER = {
  functionDeclarations: [
    {
      name: "weather",
      description: "The weather of a city.",
      parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ["city"] },
    },
  ],
};

const client = (apiKey = KEY) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: URL, timeout: 30_000 } });

const ask = ({ model = ALIAS, contents = "hello", ...config } = {}, from = client()) =>
  from.models.generateContent({ model, contents, config: { maxOutputTokens: 100, ...config } });

async function stream({ model = ALIAS, contents = "hello", ...config } = {}) {
  const pieces = [];
  const request = { model, contents, config: { maxOutputTokens: 100, ...config } };
  for await (const piece of await client().models.generateContentStream(request)) pieces.push(piece);
  return pieces;
}

const words = (pieces) => pieces.map((piece) => piece.text ?? "").join("");

for (const prompt of ["hello", "你好，世界", '🙂 \u0000 "quoted" \\ \n line']) {
  test(`the answer says what was asked under the alias: ${JSON.stringify(prompt)}`, async () => {
    const answer = await ask({ contents: prompt });
    assert.deepEqual([answer.modelVersion, answer.candidates[0].finishReason], [ALIAS, "STOP"]);
    assert.ok(answer.text.includes(prompt));
    assert.ok(answer.usageMetadata.promptTokenCount > 0 && answer.usageMetadata.candidatesTokenCount > 0);
  });
}

test("a function is called and its result taken", async () => {
  const said = { role: "user", parts: [{ text: "weather in Lisbon?" }] };
  const asked = await ask({ contents: [said], tools: [WEATHER] });
  const [call] = asked.functionCalls;
  assert.equal(call.name, "weather");
  assert.ok("city" in call.args);
  const functionResponse = { name: call.name, response: { output: "sunny" } };
  const contents = [said, asked.candidates[0].content, { role: "user", parts: [{ functionResponse }] }];
  assert.ok((await ask({ contents, tools: [WEATHER] })).text);
});

test("a chat remembers its turns", async () => {
  const chat = client().chats.create({ model: ALIAS });
  assert.ok((await chat.sendMessage({ message: "one" })).text.includes("one"));
  const pieces = [];
  for await (const piece of await chat.sendMessageStream({ message: "two" })) pieces.push(piece);
  assert.ok(words(pieces).includes("two"));
  assert.ok((await chat.sendMessage({ message: "three" })).text.includes("three"));
});

test("tokens are counted and models listed", async () => {
  const { totalTokens } = await client().models.countTokens({ model: ALIAS, contents: "hello" });
  assert.ok(totalTokens > 0);
  const names = [];
  for await (const model of await client().models.list()) names.push(model.name);
  assert.ok(names.includes(`models/${ALIAS}`));
});

for (const model of [ALIAS, "long", "commented", "crlf"]) {
  test(`the pieces say what the whole answer says: ${model}`, async () => {
    const [pieces, whole] = [await stream({ model }), await ask({ model })];
    assert.equal(words(pieces), whole.text);
    const last = pieces.at(-1);
    assert.equal(last.usageMetadata.candidatesTokenCount, whole.usageMetadata.candidatesTokenCount);
  });
}

test("a function call streams", async () => {
  const calls = (await stream({ tools: [WEATHER] })).flatMap((piece) => piece.functionCalls ?? []);
  assert.deepEqual(calls.map((call) => call.name), ["weather"]);
  assert.ok("city" in calls[0].args);
});

for (const model of ["dies", "cut"]) {
  test(`an answer that breaks off is an error and never passes for whole: ${model}`, async () => {
    await assert.rejects(stream({ model }));
  });
}

for (const [name, call, status] of [
  ["an unknown model", () => ask({ model: "no-such-model" }), 404],
  ["a bad key", () => ask({}, client("nonsense")), 401],
  ["an admin key", () => ask({}, client(ADMIN_KEY)), 403],
  ["a limit", () => ask({ model: "limited" }), 429],
]) {
  test(`a failure has the SDK's own class: ${name}`, async () => {
    await assert.rejects(call(), (error) => {
      assert.ok(error instanceof ApiError, String(error));
      assert.equal(error.status, status);
      return true;
    });
  });
}
