// Failures: each is the SDK's own class, with the words and numbers a program can act on.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";

import OpenAI from "openai";

import { ADMIN_KEY, ALIAS, HELLO, client, counted } from "./gateway.js";

const ask = (request, from = client()) =>
  from.chat.completions.create({ model: ALIAS, messages: HELLO, ...request });

const REFUSALS = [
  ["an unknown model", { model: "no-such-model" }, OpenAI.NotFoundError, "model"],
  ["messages that are no list", { messages: "hello" }, OpenAI.BadRequestError, "messages"],
  ["no model", { model: "" }, OpenAI.BadRequestError, "model"],
];

for (const [name, request, kind, param] of REFUSALS) {
  test(`a request that cannot be served names its member: ${name}`, async () => {
    await assert.rejects(ask(request), (error) => {
      assert.ok(error instanceof kind, String(error));
      assert.equal(error.param, param);
      assert.equal(error.type, "invalid_request_error");
      assert.ok(error.requestID);
      return true;
    });
  });
}

test("a bad key is an authentication error that does not repeat it", async () => {
  await assert.rejects(ask({}, client({ apiKey: "sk-nonsense" })), (error) => {
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.code, "invalid_api_key");
    assert.ok(!error.message.includes("nonsense"));
    return true;
  });
});

test("an admin key calls no model", async () => {
  await assert.rejects(ask({}, client({ apiKey: ADMIN_KEY })), OpenAI.PermissionDeniedError);
});

test("a limit says when to come back", async () => {
  await assert.rejects(ask({ model: "limited" }), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.ok(Number(error.headers.get("retry-after")) >= 1);
    return true;
  });
});

test("a broken provider is a server error, whole and streamed", async () => {
  for (const request of [{ model: "broken" }, { model: "broken", stream: true }, { model: "cut" }]) {
    await assert.rejects(ask(request), OpenAI.InternalServerError);
  }
});

test("each retry reaches the gateway", async () => {
  const seen = () => counted("nexus_requests_total", { model: "limited", status: "429" });
  const before = await seen();
  await assert.rejects(ask({ model: "limited" }, client({ maxRetries: 1 })), OpenAI.RateLimitError);
  assert.equal((await seen()) - before, 2);
});

test("a client that will not wait times out", async () => {
  await assert.rejects(ask({ model: "slow" }, client({ timeout: 300 })), OpenAI.APIConnectionTimeoutError);
});

test("a gateway that is not there is a connection error", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((listening) => server.once("listening", listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  const nowhere = client({ baseURL: `http://127.0.0.1:${port}/v1` });
  await assert.rejects(ask({}, nowhere), OpenAI.APIConnectionError);
});
