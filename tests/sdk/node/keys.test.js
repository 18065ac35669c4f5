// Every way in which a tool sends its key.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ALIAS, HELLO, KEY, client } from "./gateway.js";

const CASES = {
  bearer: { authorization: `Bearer ${KEY}` },
  "bearer with the usual prefix": { authorization: `Bearer sk-${KEY}` },
  "api-key": { authorization: null, "api-key": KEY },
  "x-api-key": { authorization: null, "x-api-key": KEY },
};

for (const [name, defaultHeaders] of Object.entries(CASES)) {
  test(`a key is taken wherever a tool puts it: ${name}`, async () => {
    const caller = client({ apiKey: "unused", defaultHeaders });
    const answer = await caller.chat.completions.create({ model: ALIAS, messages: HELLO });
    assert.equal(answer.model, ALIAS);
  });
}
