// Embeddings: the SDK asks for base64 unasked and gives floats.

import assert from "node:assert/strict";
import { test } from "node:test";

import { EMBEDDER, client, needs } from "./gateway.js";

test("vectors come in the order of their texts", needs("embeddings", "model", async () => {
  const answer = await client().embeddings.create({ model: EMBEDDER, input: ["one", "two", "one"] });
  assert.equal(answer.model, EMBEDDER);
  assert.deepEqual(
    answer.data.map((item) => item.index),
    [0, 1, 2],
  );
  const [first, second, third] = answer.data.map((item) => item.embedding);
  assert.deepEqual(first, third);
  assert.notDeepEqual(first, second);
  assert.ok(first.every((number) => typeof number === "number"));
  assert.equal(answer.usage.prompt_tokens, answer.usage.total_tokens);
}));

test("dimensions are honoured", needs("embeddings", "model", async () => {
  const answer = await client().embeddings.create({ model: EMBEDDER, input: "one", dimensions: 256 });
  assert.equal(answer.data[0].embedding.length, 256);
}));

test("what cannot be embedded names the member", async () => {
  await assert.rejects(client().embeddings.create({ model: EMBEDDER, input: [] }), { status: 400, param: "input" });
});
