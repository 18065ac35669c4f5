// Nothing that is secret is told to a browser. What is looked through here is looked through in every other test, too.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { plant, PROMPT } from "./canary.js";
import { goTo, open, signIn, start } from "./browser.js";
import { admin, call } from "./gateway.js";

const HEDY = { email: "hedy@example.com", name: "Hedy", role: "platform_admin", password: "canary password 8d1f27" };

let browser;

before(async () => {
  await admin("POST", "/users", HEDY);
  browser = await start();
});

after(() => browser?.close());

/** One of everything secret. */
async function secrets() {
  plant("password", HEDY.password);
  const { id: team_id } = await admin("POST", "/teams", { name: "canaries" });
  for (const more of [{ signing: "required" }, { form: "opaque" }]) {
    const made = await admin("POST", "/keys", { level: "app", team_id, name: "canary", ...more });
    plant("key", made.key);
    if (made.signing_secret) plant("signing secret", made.signing_secret);
  }
  const hook = await admin("POST", "/webhooks", { name: "canary", url: "https://example.com/", is_active: false });
  plant("webhook secret", hook.secret);
  const api_key = plant("provider key", "sk-console-canary-0b7d55e1-A1A1");
  const endpoint = "http://127.0.0.1:1/v1";
  await admin("POST", "/providers", { name: "canary", kind: "custom", endpoint, allow_private_network: true, api_key });
  // one that is booked would be a call that the other suite did not make
  assert.equal(await call({ model: "nobody" }), 404, PROMPT);
}

test("no page, answer, storage or console tells what was planted", async () => {
  await secrets();
  const { page, wrongs, canary, close } = await open(browser);
  await signIn(page, HEDY);
  const links = await page.locator("nav#nav a[href^='/console/']").evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  assert.ok(links.length >= 7, links.join());
  for (const link of links) {
    await goTo(page, link.replace("/console/", ""));
    await page.waitForLoadState("networkidle", { timeout: 3000 }).catch(() => {});
  }
  const told = await canary.finish();
  for (const [part, mark] of [
    ["/admin/v1/keys", "canary"],
    ["/admin/v1/providers", "canary"],
    ["/admin/v1/health", "mock"],
    ["the page", "<nav"],
  ]) {
    assert.ok(told.some(({ place, text }) => place.includes(part) && text.includes(mark)), `${mark} is not in ${part}`);
  }
  assert.deepEqual(wrongs, []);
  await close();
});

for (const [where, say] of [
  ["the page", (word) => document.body.append(word)],
  ["a storage", (word) => localStorage.setItem("word", word)],
  ["a storage", (word) => sessionStorage.setItem("word", word)],
  ["the console", (word) => console.log(word)],
  ["/admin/v1/teams", () => fetch("/admin/v1/teams").then((answer) => answer.text())],
]) {
  test(`what is told is heard: in ${where}, by ${say}`, async () => {
    const word = "a canary that sings 4410";
    const { page, canary } = await open(browser);
    await signIn(page, HEDY);
    if (where.startsWith("/")) {
      await admin("POST", "/teams", { name: word });
    }
    await page.evaluate(say, word);
    plant("song", word);
    await assert.rejects(canary.finish(), (error) => error.message.includes("song") && error.message.includes(where));
    await page.context().close();
  });
}
