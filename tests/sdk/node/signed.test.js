// Signed requests, with the very code of the page that explains them.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";

import OpenAI from "openai";

import { ADMIN_KEY, ALIAS, HELLO, URL as GATEWAY, client } from "./gateway.js";
import { code, run } from "./page.js";

const PRINTED_URL = "http://127.0.0.1:8080";

let key;
let signedFetch;
let printed;

/** Makes something over the administration and gives what it answers. */
async function make(what, body) {
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, "content-type": "application/json" };
  const answer = await fetch(`${GATEWAY}/admin/v1/${what}`, { method: "POST", headers, body: JSON.stringify(body) });
  assert.equal(answer.status, 201);
  return answer.json();
}

before(async () => {
  const team = await make("teams", { name: `signed ${randomUUID()}` });
  key = await make("keys", { level: "app", team_id: team.id, signing: "required" });
  Object.assign(process.env, {
    NEXUS_KEY: key.key,
    NEXUS_KEY_ID: key.id,
    NEXUS_SIGNING_SECRET: key.signing_secret,
  });
  const use = await code("use");
  assert.ok(use.includes(PRINTED_URL));
  const text = `${await code("helper")}${use.replace(PRINTED_URL, GATEWAY)}export { client };\n`;
  ({ signedFetch, client: printed } = await run(text));
});

const ask = (headers, body) =>
  fetch(`${GATEWAY}/v1/chat/completions`, { method: "POST", headers, body: JSON.stringify(body) });

/** The headers that the page's code sends with a body. */
async function headersFor(body) {
  const sent = fetch;
  let headers;
  globalThis.fetch = async (_, init) => {
    headers = init.headers;
    return new Response();
  };
  try {
    await signedFetch(key.id, key.signing_secret)(`${GATEWAY}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  } finally {
    globalThis.fetch = sent;
  }
  return headers;
}

const refused = async (answer, code) => {
  assert.equal(answer.status, 401);
  assert.equal((await answer.json()).error.code, code);
};

test("the page's client is answered whole and streamed", async () => {
  const answer = await printed.chat.completions.create({ model: ALIAS, messages: HELLO });
  let text = "";
  for await (const chunk of await printed.chat.completions.create({ model: ALIAS, messages: HELLO, stream: true })) {
    text += chunk.choices[0].delta.content ?? "";
  }
  assert.equal(text, answer.choices[0].message.content);
  assert.ok((await printed.models.list({ query: { limit: 1 } })).data.some((model) => model.id === ALIAS));
});

test("an unsigned request is refused", async () => {
  const unsigned = client({ apiKey: key.key });
  await assert.rejects(unsigned.chat.completions.create({ model: ALIAS, messages: HELLO }), (error) => {
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.code, "signature_missing");
    return true;
  });
});

test("a signature is good once", async () => {
  const body = { model: ALIAS, messages: HELLO };
  const headers = await headersFor(body);
  assert.equal((await ask(headers, body)).status, 200);
  await refused(await ask(headers, body), "nonce_replayed");
});

test("another body than the one that was signed is refused", async () => {
  const headers = await headersFor({ model: ALIAS, messages: HELLO });
  await refused(await ask(headers, { model: ALIAS, messages: [] }), "digest_mismatch");
});

test("each try is signed anew", async () => {
  const again = client({ apiKey: key.key, fetch: signedFetch(key.id, key.signing_secret), maxRetries: 1 });
  await assert.rejects(again.chat.completions.create({ model: "limited", messages: HELLO }), OpenAI.RateLimitError);
});
