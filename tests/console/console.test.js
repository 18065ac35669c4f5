// The console as people use it, in Chromium, before a gateway under load.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertAccessible, assertFits, goTo, open, shoot, signIn, start } from "./browser.js";
import { admin, call, callsTaken, HOSTILE, load, PERSON, until, URL } from "./gateway.js";

/** Every page, and what on it shows that its data is there. */
const PAGES = [
  { path: "overview", shows: ".figure-value >> nth=0" },
  { path: "traffic", shows: ".heat-cell:not(.is-empty)" },
  { path: "requests", shows: "tr[data-request]" },
  { path: "health", shows: ".cell.is-well" },
  { path: "cost?by=alias", shows: "tr[data-of=nexus-gpt4]" },
  { path: "keys", shows: "tr[data-key]" },
  { path: "providers", shows: "tr[data-name=mock]" },
  { path: "teams", shows: "tr[data-name=dev]" },
  { path: "users", shows: `tr[data-name='${PERSON.email}']` },
  { path: "quotas", shows: "tr[data-name='a month of dev'] .meter" },
  { path: "routes", shows: ".targets li" },
  { path: "prices", shows: "tr[data-name=mock-gpt]" },
  { path: "alerts", shows: "tr[data-name='on call']" },
  { path: "settings", shows: "tr[data-name=audit_retention_days]" },
  { path: "playground", shows: "input[name=own-key]" },
  { path: "setup", shows: "[data-snippet=curl]" },
  { path: "nodes", shows: "tr[data-node]" },
  { path: "revisions", shows: "tr[data-revision]" },
  { path: "anomalies", shows: "main .card" },
  { path: "audit", shows: "main tbody tr" },
];

let browser;
let stop;
/** Requests of others, from before this suite. */
let earlier = 0;

const requestsOf = (rows) => rows.reduce((all, row) => all + row.requests, 0);

before(async () => {
  await admin("POST", "/users", PERSON);
  earlier = requestsOf((await admin("GET", "/usage?by=alias")).rows);
  const rate = (quantity, nano) => ({ quantity, nano_usd_per_million: nano });
  const models = ["mock-gpt", "mock-gpt+events=40"];
  for (const real_name of models) {
    await admin("POST", "/prices", { real_name, rates: [rate("input", 2_500_000_001), rate("output", 10_000_000_003)] });
  }
  const [{ id: team }] = (await admin("GET", "/teams")).data.filter(({ name }) => name === "dev");
  await admin("POST", "/quotas", { name: "a month of dev", subject: "team", subject_value: team, measure: "cost_nano_usd", window: "month", limit: 1_000_000_000, mode: "soft" });
  await admin("POST", "/webhooks", { name: "on call", url: "https://hooks.example.com/nexus", kinds: [] });
  browser = await start();
  stop = load(2);
  await until("usage", async () => (await admin("GET", "/usage?by=operation")).rows[0]?.charged_nano_usd > 0);
});

after(async () => {
  await browser?.close();
  await stop?.();
});

test("files are served so that browsers keep them and nobody frames or changes them", async () => {
  const page = await fetch(`${URL}/console/overview`);
  const html = await page.text();
  assert.equal(page.headers.get("cache-control"), "no-cache");
  const policy = page.headers.get("content-security-policy");
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]) {
    assert.ok(policy.includes(part), policy);
  }
  assert.ok(!policy.includes("unsafe"), policy);
  assert.equal(page.headers.get("x-content-type-options"), "nosniff");
  assert.equal(page.headers.get("referrer-policy"), "no-referrer");
  const again = await fetch(`${URL}/console/`, { headers: { "if-none-match": page.headers.get("etag") } });
  assert.equal(again.status, 304);

  const files = [...html.matchAll(/(?:src|href)="(\/console\/assets\/[^"]+)"/g)].map(([, path]) => path);
  assert.ok(files.length >= 2, html);
  let bytes = 0;
  for (const path of files) {
    const file = await fetch(URL + path, { headers: { "accept-encoding": "gzip" } });
    assert.equal(file.headers.get("cache-control"), "public, max-age=31536000, immutable");
    assert.equal(file.headers.get("content-encoding"), "gzip");
    bytes += Number(file.headers.get("content-length"));
  }
  assert.ok(bytes > 0 && bytes < 350 * 1024, `${bytes} bytes for the first page`);
  assert.equal((await fetch(`${URL}/console/assets/gone-00000000.js`)).status, 404);
  assert.equal((await fetch(`${URL}/console`, { redirect: "manual" })).headers.get("location"), "/console/");
});

test("somebody signs in, is known after a reload, and signs out", async () => {
  const { page, wrongs, close } = await open(browser);
  await page.goto(`${URL}/console/`);
  await page.waitForSelector("input[name=password]");
  await shoot(page, "sign-in-light");
  await assertAccessible(page, "the door");
  await page.fill("input[name=email]", PERSON.email);
  await page.fill("input[name=password]", "not the password");
  await page.click("button[type=submit]");
  await page.waitForSelector("[role=alert]");
  await signIn(page);
  await page.reload();
  await page.waitForSelector("nav#nav", { state: "attached" });
  await page.click("button[aria-label='Sign out']");
  await page.waitForSelector("input[name=password]");
  await page.reload();
  await page.waitForSelector("input[name=password]");
  assert.deepEqual(wrongs, []);
  await close();
});

for (const look of [
  { name: "light" },
  { name: "dark", dark: true },
  { name: "phone", size: "phone" },
  { name: "chinese", locale: "zh-CN" },
  { name: "wide", size: "wide", dark: true },
]) {
  test(`every page shows its data and can be read by everybody: ${look.name}`, async () => {
    const { page, wrongs, close } = await open(browser, look);
    await signIn(page);
    for (const { path, shows } of PAGES) {
      const what = `${path}, ${look.name}`;
      await goTo(page, path);
      await page.waitForSelector(shows);
      await assertFits(page, what);
      await assertAccessible(page, what);
      await shoot(page, `${path.split("?")[0]}-${look.name}`);
    }
    assert.deepEqual(wrongs, []);
    await close();
  });
}

test("the range in the URL is what everything on the page is about, and the keyboard reaches it", async () => {
  const { page, wrongs, close } = await open(browser);
  const asked = [];
  page.on("request", (request) => {
    if (request.url().includes("/usage?")) asked.push(new globalThis.URL(request.url()).searchParams);
  });
  await signIn(page);
  await page.waitForSelector(".figure-value");
  await page.focus("[aria-label='Time range'] button >> nth=0");
  asked.length = 0;
  await page.keyboard.press("Enter");
  await until("another URL", () => page.url().endsWith("range=1h"));
  await until("questions", () => asked.length >= 5);
  const ends = new Set(asked.filter((query) => query.get("interval") === "minute").map((query) => query.get("until") - query.get("from")));
  assert.deepEqual([...ends], [3600]);
  await page.goBack();
  await until("the range before", () => !page.url().includes("range="));
  assert.deepEqual(wrongs, []);
  await close();
});

test("the request log is narrowed by the URL and goes on, and a request opened says where its time and money went", async () => {
  const { page, wrongs, close } = await open(browser);
  await signIn(page);
  await goTo(page, "requests");
  await page.fill("input[name=status]", "200");
  await page.press("input[name=status]", "Enter");
  await until("the filter in the URL", () => page.url().includes("status=200"));
  await page.selectOption("select[name=provider]", "mock");
  await page.waitForSelector("tr[data-request]");
  await page.reload();
  await page.waitForSelector("tr[data-request]");
  assert.equal(await page.inputValue("select[name=provider]"), "mock");
  const before = await page.locator("tr[data-request]").count();
  await page.click(".more button");
  await until("more rows", async () => (await page.locator("tr[data-request]").count()) > before);
  const ids = await page.locator("tr[data-request]").evaluateAll((rows) => rows.map((row) => row.dataset.request));
  assert.equal(new Set(ids).size, ids.length, "no request is shown twice");

  await page.locator("tr[data-request] a").first().click();
  await page.waitForSelector(".stretch.is-answering");
  const told = await admin("GET", `/requests/${page.url().match(/requests\/([0-9a-f-]+)/)[1]}`);
  const [attempt] = told.attempts;
  await page.locator(".price-lines .note", { hasText: "a million" }).first().waitFor();
  for (const [quantity, n] of Object.entries(attempt.quantities)) {
    const line = page.locator(".price-lines tr", { hasText: quantity === "input" ? "Input" : "Output" });
    assert.equal(await line.locator("td").first().textContent(), n.toLocaleString("en-US"));
  }
  await assertAccessible(page, "a request");
  await shoot(page, "request-light");
  await page.click("text=← Request log");
  await until("the same list", () => page.url().includes("provider=mock"));
  await page.fill(".find", told.id);
  await page.waitForSelector(".waterfall");
  await goTo(page, "requests/00000000-0000-7000-8000-000000000000");
  await page.waitForSelector(".trouble");
  assert.deepEqual(wrongs, []);
  await close();
});

test("a cell of the heat map says its numbers and leads to its requests, also by keyboard", async () => {
  const { page, wrongs, close } = await open(browser);
  await signIn(page);
  for (const by of ["alias", "model", "provider", "team", "region", "latency"]) {
    await goTo(page, `traffic?range=1h&by=${by}`);
    await page.waitForSelector(".heat-cell:not(.is-empty)");
  }
  for (const measure of ["errors", "latency", "cost"]) {
    await goTo(page, `traffic?range=1h&measure=${measure}`);
    await page.waitForSelector(".heat-cell:not(.is-empty)");
  }
  await goTo(page, "traffic?range=1h&by=latency");
  const cell = page.locator(".heat-cell:not(.is-empty)").first();
  await cell.hover();
  await page.locator(".heat-values", { hasText: "Requests" }).waitFor();
  await page.locator(".heat-cell[tabindex='0']").focus();
  await page.keyboard.press("ArrowRight");
  await page.waitForSelector(".heat-cell[data-at='0 1']:focus");
  await cell.click();
  await page.waitForSelector("tr[data-request]");
  const query = new globalThis.URL(page.url()).searchParams;
  assert.ok(query.get("from") && query.get("until") && query.get("took"), page.url());
  assert.deepEqual(wrongs, []);
  await close();
});

test("a key is made, copied, seen to be used without a reload, and revoked", async () => {
  const { page, wrongs, close } = await open(browser);
  await signIn(page);
  await goTo(page, "keys");
  await page.click("text=New key");
  await page.fill("input[name=name]", "from the console");
  await assertAccessible(page, "the form of a new key");
  await shoot(page, "new-key-light");
  await page.click("text=Create the key");
  const key = await page.textContent(".secret");
  await page.click("dialog button:has-text('Copy the key')");
  await page.waitForSelector("text=Copied");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), key);
  await assertAccessible(page, "a secret");
  await page.click("text=I have kept it");
  assert.ok(!(await page.content()).includes(key), "the secret is gone");

  const row = page.locator("tr[data-key]", { hasText: "from the console" });
  await row.waitFor();
  assert.equal(await call({ key }), 200);
  await row.locator(".requests", { hasText: "1" }).waitFor();

  await row.locator("text=Revoke").click();
  const button = page.locator("dialog .danger");
  assert.ok(await button.isDisabled(), "the name comes first");
  await page.fill("input[name=confirm]", "from the console");
  await button.click();
  await row.locator("text=Revoked").waitFor();
  await until("the key is refused", async () => (await call({ key })) === 401);
  await goTo(page, "audit?action=key.");
  await page.locator("tr", { hasText: "key.revoke" }).first().waitFor();
  assert.deepEqual(wrongs, []);
  await close();
});

test("a provider is asked whether it answers", async () => {
  const { page, wrongs, close } = await open(browser);
  await signIn(page);
  await goTo(page, "providers");
  await page.click("tr[data-name=mock] button:has-text('Test')");
  await page.locator("dialog .badge-good", { hasText: "It answers" }).waitFor();
  await assertAccessible(page, "the test of a provider");
  assert.deepEqual(wrongs, []);
  await close();
});

test("names that are attacks are shown as the text they are", async () => {
  const { id } = await admin("POST", "/teams", { name: HOSTILE[0] });
  for (const [index, name] of HOSTILE.entries()) {
    await admin("POST", "/keys", { level: "app", team_id: id, name });
    const made = await admin("POST", "/providers", {
      name: `${name}${index}`,
      kind: "custom",
      endpoint: "http://127.0.0.1:1/v1",
      allow_private_network: true,
      api_key: "mock-provider-key",
    });
    await admin("POST", "/model-routes", { alias: name, provider_id: made.id, real_name: name });
    await call({ model: name });
  }
  const { page, wrongs, close } = await open(browser);
  await signIn(page);
  await page.goto(`${URL}/console/keys?q=${encodeURIComponent(HOSTILE[1])}`);
  await page.locator("tr[data-key]", { hasText: HOSTILE[1] }).waitFor();
  for (const { path, shows } of PAGES) {
    await goTo(page, path);
    await page.waitForSelector(shows);
  }
  for (const by of ["team", "key", "alias", "provider", "model", "user", "tag"]) {
    await goTo(page, `cost?by=${by}&team=${encodeURIComponent(HOSTILE[2])}`);
    await goTo(page, `cost?by=${by}`);
    await page.waitForSelector(".sum");
  }
  await goTo(page, "cost?by=user");
  await page.locator("tr[data-of]", { hasText: HOSTILE[0] }).waitFor();
  await goTo(page, "health");
  await page.locator(".cell", { hasText: HOSTILE[0] }).first().click();
  await page.waitForSelector("dialog[open]");
  await shoot(page, "hostile-light");
  assert.deepEqual(wrongs, []);
  await close();
});

test("what the cost page says is what the administration says, to the last digit", async () => {
  const { page, wrongs, close } = await open(browser);
  await signIn(page);
  // a time that is over, so that both are told the same
  await stop();
  stop = undefined;
  const hour = 3600;
  const from = Math.floor(Date.now() / 1000 / hour) * hour - 23 * hour;
  const end = from + 24 * hour;
  const sum = async () => {
    const { rows } = await admin("GET", `/usage?by=alias&interval=total&from=${from}&until=${end}`);
    return rows;
  };
  await until("the last call's usage", async () => {
    return requestsOf(await sum()) === callsTaken() + earlier;
  });
  await page.goto(`${URL}/console/cost?by=alias&from=${from}&until=${end}`);
  for (const row of await sum()) {
    const nano = BigInt(row.charged_nano_usd);
    const part = (nano % 1_000_000_000n).toString().padStart(9, "0");
    const expected = `$${nano / 1_000_000_000n}.${part.slice(0, 2)}${part.slice(2).replace(/0+$/, "")}`;
    const shown = page.locator(`tr[data-of=${JSON.stringify(row.of)}]`);
    assert.equal(await shown.locator(".charged").textContent(), expected);
    assert.equal(await shown.locator(".requests").textContent(), row.requests.toLocaleString("en-US"));
  }
  await page.click('tr[data-of="nexus-gpt4"] .link');
  await page.waitForSelector('tr[data-of="mock"]');
  assert.ok(page.url().includes("alias=nexus-gpt4") && page.url().includes("by=provider"), page.url());
  assert.deepEqual(wrongs, []);
  await close();
});
