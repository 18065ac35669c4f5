// What the suite asks of the gateway beside the browser: people, prices, names that are attacks, and traffic.

import assert from "node:assert/strict";
import { PROMPT } from "./canary.js";

const { NEXUS_URL: URL, NEXUS_KEY: KEY, NEXUS_ADMIN_KEY: ADMIN_KEY } = process.env;
export { KEY, URL };

export const PERSON = { email: "ada@example.com", name: "Ada", role: "platform_admin", password: "correct horse battery" };

/** Texts that do something where they are taken for markup, script or a format. */
export const HOSTILE = [
  '<img src=x onerror="alert(1)">',
  "<script>alert(2)</script>",
  "\"><svg onload=alert(3)>",
  "javascript:alert(4)",
  "{{7*7}} ${7*7} %s%n",
  "\u202Eevil\u202C \u{1F4A9} 田中さん",
];

/** What the administration answers, to the last digit. */
export const adminText = async (path) => (await fetch(`${URL}/admin/v1${path}`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } })).text();

/** Asks the administration; the answer must be a good one. */
export async function admin(method, path, body, headers = {}) {
  const response = await fetch(`${URL}/admin/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN_KEY}`, "content-type": "application/json", ...headers },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text && JSON.parse(text);
}

let taken = 0;

/** How many calls were taken so far: the requests that the ledger has in the end. */
export const callsTaken = () => taken;

/** One call as an application makes it; gives the status. */
export async function call({ key = KEY, model = "nexus-gpt4", stream = false, user } = {}) {
  const response = await fetch(`${URL}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model, stream, user, messages: [{ role: "user", content: `${PROMPT} ${Math.random()}` }] }),
  });
  await response.text();
  if (response.status !== 401) taken += 1;
  return response.status;
}

/** Between calls: a machine that runs a browser beside has other things to do. */
const PAUSE_MS = 100;

/** Calls of many kinds, so many at once, until it is stopped. */
export function load(many) {
  let isOver = false;
  let made = 0;
  const kinds = [{}, { stream: true }, { model: "long", stream: true }, { user: "u-1" }, {}, { stream: true, user: HOSTILE[0] }, { model: "broken" }];
  const worker = async () => {
    while (!isOver) {
      await call(kinds[made++ % kinds.length]);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  const all = Array.from({ length: many }, worker);
  return async () => {
    isOver = true;
    await Promise.all(all);
  };
}

/** Waits for `is` to hold, at most `ms`. */
export async function until(what, is, ms = 15_000) {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    const found = await is();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`${what} did not come about within ${ms} ms`);
}
