// What people do in the console besides looking: teams, quotas, providers, routes, prices and webhooks, each through its
// form; the playground; and what somebody sees who has an application key alone.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { after, before, test } from "node:test";
import { assertAccessible, assertFits, goTo, open, shoot, signIn, start } from "./browser.js";
import { admin, call, HOSTILE, KEY, until, URL } from "./gateway.js";

const GRACE = { email: "grace@example.com", name: "Grace", role: "platform_admin", password: "correct horse battery" };

let browser;

before(async () => {
  await admin("POST", "/users", GRACE);
  const rates = ["input", "output"].map((quantity) => ({ quantity, nano_usd_per_million: 3_000_000_000 }));
  for (const real_name of ["mock-gpt", "mock-gpt+events=40"]) await admin("POST", "/prices", { real_name, rates });
  browser = await start();
});

after(() => browser?.close());

/** A test of somebody who is signed in; nothing may go wrong in the browser meanwhile. */
function work(name, run, look) {
  test(name, async () => {
    const { page, wrongs, close } = await open(browser, look);
    await signIn(page, GRACE);
    try {
      await run(page);
    } catch (error) {
      await shoot(page, `failed ${name}`);
      throw error;
    }
    assert.deepEqual(wrongs, []);
    await close();
  });
}

const find = async (path, name) => (await admin("GET", path)).data.find((one) => one.name === name);
const row = (page, name) => page.locator(`tr[data-name=${JSON.stringify(name)}]`);

/** Writes the name that is asked for, and goes on. */
async function confirm(page, name) {
  const button = page.locator("dialog .button.danger");
  assert.ok(await button.isDisabled(), "the name comes first");
  await page.fill("input[name=confirm]", name);
  await button.click();
}

work("a team is made, changed with what becomes another in sight, and deleted by its name", async (page) => {
  await goTo(page, "teams");
  await page.click("text=New team");
  await page.fill("input[name=name]", HOSTILE[1]);
  await page.fill("input[name=models]", "nexus-*, long");
  await assertAccessible(page, "the form of a team");
  await page.click("dialog button[type=submit]");
  await row(page, HOSTILE[1]).locator("text=Edit").click();
  await page.fill("dialog input[name=rate_limit]", "60");
  await page.locator(".diff tr", { hasText: "Requests a minute" }).waitFor();
  assert.equal(await page.locator(".diff tr").count(), 1);
  await shoot(page, "team-change-light");
  await page.click("dialog button[type=submit]");
  await row(page, HOSTILE[1]).locator("td", { hasText: "60" }).waitFor();
  const team = await find("/teams", HOSTILE[1]);
  assert.deepEqual([team.rate_limit, team.scope.models], [60, ["nexus-*", "long"]]);
  await row(page, HOSTILE[1]).locator("text=Delete").click();
  await confirm(page, HOSTILE[1]);
  await row(page, HOSTILE[1]).waitFor({ state: "detached" });
});

work("a user is made with a role and may be switched off", async (page) => {
  await goTo(page, "users");
  await page.click("text=New user");
  await page.fill("dialog input[name=email]", "eve@example.com");
  await page.fill("dialog input[name=name]", "Eve");
  await page.selectOption("dialog select[name=role]", "auditor");
  await page.fill("dialog input[name=password]", "short");
  await page.click("dialog button[type=submit]");
  await page.locator("dialog [role=alert]").waitFor();
  await page.fill("dialog input[name=password]", "another correct horse");
  await page.click("dialog button[type=submit]");
  await row(page, "eve@example.com").locator("text=auditor").waitFor();
  await row(page, "eve@example.com").locator("text=Edit").click();
  await page.click("dialog input[name=is_active]");
  await page.click("dialog button[type=submit]");
  await row(page, "eve@example.com").locator("text=Disabled").waitFor();
});

work("a quota is set in dollars, and says which calls hold what of it", async (page) => {
  await goTo(page, "quotas");
  await page.click("text=New quota");
  await page.fill("dialog input[name=name]", "a day of dev");
  await page.selectOption("dialog select[name=team]", { label: "dev" });
  await page.selectOption("dialog select[name=window]", "day");
  await page.fill("dialog input[name=dollars]", "no amount");
  await page.click("dialog button[type=submit]");
  await page.locator("dialog [role=alert]").waitFor();
  await page.fill("dialog input[name=dollars]", "12.50");
  await page.click("dialog button[type=submit]");
  await row(page, "a day of dev").locator("text=$12.50").waitFor();
  const { id, limit } = await find("/quotas", "a day of dev");
  assert.equal(limit, 12_500_000_000);
  await admin("POST", "/prices", { real_name: "mock-gpt+delay_ms=first:5000", rates: [{ quantity: "input", nano_usd_per_million: 1 }, { quantity: "output", nano_usd_per_million: 1_000_000_000 }] });
  const slow = call({ model: "slow" });
  await row(page, "a day of dev").locator("button.link").click();
  await page.locator("dialog td a.mono").first().waitFor();
  await assertAccessible(page, "who holds a quota");
  await shoot(page, "quota-holders-light");
  await slow;
  await admin("DELETE", `/quotas/${id}`);
});

work("a provider is made, tested, asked for its models, and its pool is managed without a key in sight", async (page) => {
  const mock = await find("/providers", "mock");
  await goTo(page, "providers");
  await page.click("text=New provider");
  await page.fill("dialog input[name=name]", "second");
  await page.selectOption("dialog select[name=kind]", "custom");
  await page.fill("dialog input[name=endpoint]", mock.endpoint);
  await page.fill("dialog input[name=api_key]", "mock-provider-key");
  await page.click("dialog input[name=allow_private_network]");
  await assertAccessible(page, "the form of a provider");
  await shoot(page, "new-provider-light");
  await page.click("dialog button[type=submit]");
  await row(page, "second").locator("button", { hasText: "Models" }).click();
  await page.locator("dialog tr", { hasText: "mock-gpt" }).first().locator("text=Offer it").click();
  await page.locator("dialog .badge-good", { hasText: "offered" }).waitFor();
  await page.click("dialog button[aria-label=Close]");
  await row(page, "second").locator("a.link").click();
  await row(page, "default").waitFor();
  await page.click("text=New key");
  await page.fill("dialog input[name=name]", "spare");
  await page.fill("dialog input[name=api_key]", "sk-canary-0123456789-SPAR");
  await page.click("dialog button[type=submit]");
  await row(page, "spare").locator("text=…SPAR").waitFor();
  await shoot(page, "pool-light");
  assert.ok(!(await page.content()).includes("canary"), "a key is never shown");
  await row(page, "default").locator("button", { hasText: "Test" }).click();
  await page.locator("dialog .badge-good").first().waitFor();
  await page.click("dialog button[aria-label=Close]");
  await row(page, "spare").locator("text=Delete").click();
  await confirm(page, "spare");
  await row(page, "spare").waitFor({ state: "detached" });
});

work("weights are moved with the split in sight and saved, and a route says where a request would go", async (page) => {
  const [mock, second] = [await find("/providers", "mock"), await find("/providers", "second")];
  await admin("POST", "/model-routes", { alias: "shared", provider_id: mock.id, real_name: "mock-gpt", weight: 50 });
  await admin("POST", "/model-routes", { alias: "shared", provider_id: second.id, real_name: "mock-gpt", weight: 50 });
  await goTo(page, "routes");
  const card = page.locator("section.card", { has: page.locator("h2", { hasText: /^shared$/ }) });
  const shares = () => card.locator(".target-share").allTextContents();
  await card.locator(".targets li").nth(1).waitFor();
  assert.deepEqual(await shares(), ["50%", "50%"]);
  await card.locator("input[type=range]").first().fill("10");
  assert.deepEqual(await shares(), ["16.7%", "83.3%"]);
  await card.locator(".diff").waitFor();
  await assertAccessible(page, "weights that moved");
  await shoot(page, "routes-moved-light");
  await card.locator("text=Save the weights").click();
  await card.locator(".diff").waitFor({ state: "detached" });
  const weights = (await admin("GET", "/model-routes?alias=shared")).data.map(({ weight }) => weight);
  assert.deepEqual(weights.sort(), [10, 50]);

  await card.locator("button.link", { hasText: "Edit" }).click();
  await page.selectOption("dialog select[name=policy]", "least_latency");
  await page.fill("dialog input[name=failure]", "nexus-gpt4");
  await page.click("dialog button[type=submit]");
  await page.locator("dialog").waitFor({ state: "detached" });
  await card.locator(".rule-lines", { hasText: "lowest latency" }).waitFor();

  await page.fill("input[name=model]", "shared");
  await page.click("button:has-text('Explain')");
  await page.locator(".explained", { hasText: "It would go to" }).waitFor();
  await page.locator(".explained .badge-good", { hasText: "first" }).waitFor();
  await assertAccessible(page, "an explanation");
});

work("a price is set, held against the one before it, and the past is priced again after a preview", async (page) => {
  await goTo(page, "prices");
  for (const [index, rate] of ["1", "2.5"].entries()) {
    await page.click("text=New price");
    await page.fill("dialog input[name=real_name]", "mock-gpt+priced");
    await page.fill("dialog input[name=input]", rate);
    await page.fill("dialog input[name=output]", "4");
    await page.click("dialog button[type=submit]");
    await row(page, "mock-gpt+priced").nth(index).waitFor();
  }
  await row(page, "mock-gpt+priced").first().locator("button.link").click();
  await page.locator("dialog .diff tr", { hasText: "Input" }).waitFor();
  assert.equal(await page.locator("dialog .diff tr").count(), 1, "what stayed is not shown");
  await shoot(page, "price-diff-light");
  await page.click("dialog button[aria-label=Close]");
  await page.click("button:has-text('Preview')");
  await page.locator("td .badge-good", { hasText: "Done" }).first().waitFor();
  await assertAccessible(page, "prices");
});

work("a webhook's secret is shown once, when it is made and when it is replaced", async (page) => {
  await goTo(page, "alerts");
  await page.click("text=New webhook");
  await page.fill("dialog input[name=name]", "pager");
  await page.fill("dialog input[name=url]", "https://hooks.example.com/pager");
  await page.click("dialog button[type=submit]");
  const first = await page.textContent(".secret");
  await page.click("text=I have kept it");
  assert.ok(!(await page.content()).includes(first), "the secret is gone");
  await row(page, "pager").locator("text=New secret").click();
  await page.locator("dialog .button.danger").click();
  await page.waitForSelector(".secret");
  assert.notEqual(await page.textContent(".secret"), first);
  await page.click("text=I have kept it");
});

work("a setting is changed", async (page) => {
  await goTo(page, "settings");
  await row(page, "request_log_days").locator("text=Edit").click();
  await page.fill("dialog input[name=value]", "0");
  await page.click("dialog button[type=submit]");
  await page.locator("dialog [role=alert]").waitFor();
  await page.fill("dialog input[name=value]", "31");
  await page.click("dialog button[type=submit]");
  await row(page, "request_log_days").locator("td", { hasText: "31" }).waitFor();
  await goTo(page, "audit?action=setting.");
  await page.locator("button.link", { hasText: "setting.update" }).first().click();
  await page.locator("dialog .diff tr", { hasText: "value" }).waitFor();
  await shoot(page, "audit-row-light");
});

work("configuration goes out as a file, and comes in with what it would change in sight", async (page) => {
  await goTo(page, "settings");
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("main button:has-text('JSON')")]);
  const exported = JSON.parse(await readFile(await file.path(), "utf8"));
  const { name, kind, weight } = exported.providers.find((provider) => provider.name === "mock");
  await page.fill("textarea[name=configuration]", "no JSON");
  await page.click("main button:has-text('Show what it would change')");
  await page.locator("[role=alert]", { hasText: "no JSON" }).waitFor();
  await page.fill("textarea[name=configuration]", JSON.stringify({ providers: [{ name, kind, endpoint: (await find("/providers", "mock")).endpoint, weight: weight - 1, models: [] }] }));
  await page.click("main button:has-text('Show what it would change')");
  await page.locator(".explained tr", { hasText: "weight" }).waitFor();
  await assertAccessible(page, "what a file would change");
  await shoot(page, "configuration-light");
  await page.click("main button:has-text('Carry it out')");
  await page.locator("dialog .button.danger").click();
  await until("the weight", async () => (await find("/providers", "mock")).weight === weight - 1);
});

work("two models are asked beside each other, with what each took and cost", async (page) => {
  await goTo(page, "playground");
  await page.selectOption("select[name=own-team]", { label: "dev" });
  await page.click("main button:has-text('Make it')");
  await page.click("main button:has-text('Compare two models')");
  await page.locator(".play-side select").first().selectOption("nexus-gpt4");
  await page.locator(".play-side select").nth(1).selectOption("long");
  await page.fill("textarea[name=message]", HOSTILE[0]);
  await page.click("main button:has-text('Send')");
  for (const side of [0, 1]) {
    await page.locator(".play-side").nth(side).locator(".turn-cost").waitFor();
    assert.ok((await page.locator(".play-side").nth(side).locator(".turn-answer").textContent()).length > 1);
  }
  await assertAccessible(page, "the playground");
  await assertFits(page, "the playground");
  await shoot(page, "playground-light");
  await page.uncheck("input[name=stream]");
  await page.fill("textarea[name=message]", "and once more");
  await page.click("main button:has-text('Send')");
  await page.locator(".turns li:nth-child(2) .turn-cost").first().waitFor();
  await page.click("main button:has-text('Clear')");
  await page.locator(".play-side select").first().selectOption("endless");
  await page.click("main button:has-text('One model')");
  await page.check("input[name=stream]");
  await page.fill("textarea[name=message]", "go on");
  await page.click("main button:has-text('Send')");
  await page.locator(".turn-answer", { hasText: /\w{3}/ }).waitFor();
  await page.click("main button:has-text('Stop')");
  await page.locator(".button", { hasText: "Stop" }).waitFor({ state: "detached" });
});

work("what is unusual stands beside what is usual, and a key is throttled and revoked from there", async (page) => {
  const { id: team_id } = await find("/teams", "dev");
  const key = await admin("POST", "/keys", { level: "app", team_id, name: "busy" });
  const at = Math.floor(Date.now() / 1000) - 60;
  const evidence = { measure: HOSTILE[1], observed: 90, expected: 10, bound: 30, window_seconds: 60 };
  const anomaly = { id: key.id, at, kind: "usage_rate", team_id, key_id: key.id, address: null, evidence, count: 3, acknowledged_at: null, acknowledged_by: null, version: 1 };
  // a real one takes hours of usage before it
  await page.route("**/admin/v1/anomalies?*", (route) => route.fulfill({ json: { data: [anomaly], has_more: false, next_cursor: null } }));
  await goTo(page, "anomalies");
  await page.waitForSelector(".normal");
  await assertAccessible(page, "anomalies");
  await shoot(page, "anomaly-light");
  await page.click("main button:has-text('Throttle')");
  await page.fill("dialog input[name=rate_limit]", "5");
  await page.click("dialog button[type=submit]");
  await until("the limit", async () => (await admin("GET", `/keys/${key.id}`)).rate_limit === 5);
  await page.locator("dialog").waitFor({ state: "detached" });
  await page.click("main button:has-text('Revoke')");
  await confirm(page, "busy");
  await until("the end of the key", async () => (await admin("GET", `/keys/${key.id}`)).state === "revoked");
});

work("a new gateway says what is to be done before the first call", async (page) => {
  const nothing = { json: { data: [], has_more: false, next_cursor: null } };
  await page.route("**/admin/v1/model-routes?*", (route) => route.fulfill(nothing));
  await goTo(page, "overview");
  await page.waitForSelector(".begin .is-next");
  assert.deepEqual(await page.locator(".begin .is-done").allTextContents(), ["Add a provider with its key", "Make a key for an application"]);
  await assertAccessible(page, "what is to be done");
  await shoot(page, "begin-light");
  await page.unroute("**/admin/v1/model-routes?*");
  await page.locator(".begin").waitFor({ state: "detached" });
});

work("a provider that fails is seen to be out, and leads to what was tried", async (page) => {
  for (let calls = 0; calls < 12; calls += 1) await call({ model: "broken" });
  await goTo(page, "health");
  const cell = page.locator(".cell.is-open", { hasText: "status:500" });
  await cell.waitFor();
  await cell.click();
  await page.locator("dialog td", { hasText: "internal error" }).first().waitFor();
  await assertAccessible(page, "a target that is out");
  await shoot(page, "target-light");
  await page.click("dialog >> text=Reset the breaker");
  await page.locator("dialog dd", { hasText: "Closed" }).waitFor();
});

work("what a request said is shown where a team keeps it, as the text it is, and deleted", async (page) => {
  const team = await admin("POST", "/teams", { name: "keeps", content_ttl_seconds: 3600 });
  const { key } = await admin("POST", "/keys", { level: "app", team_id: team.id, name: "kept" });
  const prompt = HOSTILE.join(" ");
  const answer = await fetch(`${URL}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "nexus-gpt4", messages: [{ role: "user", content: prompt }] }),
  });
  assert.equal(answer.status, 200);
  const id = answer.headers.get("x-request-id");
  await until("the content", async () => (await fetch(`${URL}/admin/v1/requests/${id}`, { headers: { authorization: `Bearer ${process.env.NEXUS_ADMIN_KEY}` } }).then((told) => told.json())).content);
  await goTo(page, `requests/${id}`);
  await page.click("main button:has-text('Show it')");
  await page.locator("pre", { hasText: JSON.stringify(HOSTILE[0]).slice(1, -1) }).first().waitFor();
  await assertAccessible(page, "what a request said");
  await shoot(page, "said-light");
  await page.locator(".said-actions >> text=Delete").click();
  await page.locator("dialog .button.danger").click();
  await page.locator("text=Not kept").waitFor();
});

work("a client is told the viewer's own base URL, and what it is told works", async (page) => {
  await goTo(page, "setup");
  await page.selectOption("select[name=setup-model]", "nexus-gpt4");
  const ids = await page.locator(".setup-clients button").count();
  assert.ok(ids >= 9, "every client there should be is there");
  for (let index = 0; index < ids; index += 1) {
    await page.locator(".setup-clients button").nth(index).click();
    assert.ok((await page.textContent("[data-snippet]")).includes(new globalThis.URL(page.url()).origin));
  }
  await page.click("text=curl");
  const snippet = await page.textContent("[data-snippet=curl]");
  const { stdout } = await promisify(execFile)("bash", ["-c", snippet], { env: { ...process.env, NEXUS_KEY: KEY } });
  assert.equal(JSON.parse(stdout).object, "chat.completion");
});

test("somebody with an application key sees the key's own limits, spend and calls, and nothing else", async () => {
  const { page, wrongs, close } = await open(browser);
  await page.goto(`${URL}/console/`);
  await page.click("text=Application key");
  await page.fill("input[name=holder]", "sk-nexus-not-a-key");
  await page.click("button[type=submit]");
  await page.waitForSelector("[role=alert]");
  const { id } = await find("/teams", "dev");
  const { key } = await admin("POST", "/keys", { level: "app", team_id: id, name: HOSTILE[2] });
  await admin("POST", "/quotas", { name: HOSTILE[1], subject: "team", subject_value: id, measure: "requests", window: "month", limit: 1_000_000, mode: "hard" });
  await page.fill("input[name=holder]", key);
  await page.click("button[type=submit]");
  await page.waitForSelector(".meter");
  assert.equal(await call({ key }), 200);
  await page.waitForSelector("tr[data-call]");
  await page.locator(".cell-name", { hasText: HOSTILE[1] }).waitFor();
  assert.deepEqual(await page.locator("nav li").allTextContents(), ["My key", "Playground", "Client set-up"]);
  await assertAccessible(page, "what a holder sees");
  await shoot(page, "mine-light");
  await page.click("nav >> text=Playground");
  await page.locator(".play-side select").selectOption("nexus-gpt4");
  await page.fill("textarea[name=message]", "hello");
  await page.click("main button:has-text('Send')");
  await page.locator(".turn-cost").waitFor();
  await page.reload();
  await page.waitForSelector("input[name=password]");
  assert.deepEqual(wrongs, []);
  await close();
});

for (const role of ["team_admin", "viewer"]) {
  test(`who is ${role} of a team is shown the team's own, and asks for nothing that is refused`, async () => {
    const { id: team_id } = await find("/teams", "dev");
    await admin("POST", "/teams", { name: `not for a ${role}` });
    const person = { ...GRACE, email: `${role}@example.com`, name: role, role, team_id };
    await admin("POST", "/users", person);
    const { page, wrongs, close } = await open(browser);
    const refused = [];
    page.on("response", (response) => {
      if (response.status() === 403) refused.push(response.url());
    });
    await signIn(page, person);
    const pages = await page.locator("nav li a").evaluateAll((links) => links.map((link) => link.pathname.replace("/console/", "")));
    assert.ok(!pages.includes("providers") && !pages.includes("settings") && pages.includes("requests"), pages.join());
    for (const path of pages) {
      await goTo(page, path);
      await page.waitForLoadState("networkidle");
      assert.equal(await page.locator(".trouble").count(), 0, path);
      assert.ok(!(await page.textContent("main")).includes(`not for a ${role}`), path);
      const isManager = role === "team_admin" && ["keys", "users", "quotas"].includes(path);
      assert.equal(await page.locator("main .button.primary").count() > 0, isManager || path === "playground" && role === "team_admin", path);
    }
    assert.deepEqual(refused, []);
    assert.deepEqual(wrongs, []);
    await close();
  });
}

work("a key is changed, with what becomes another in sight", async (page) => {
  const { id: team_id } = await find("/teams", "dev");
  const { id } = await admin("POST", "/keys", { level: "app", team_id, name: "to be changed" });
  await goTo(page, "keys?q=to+be+changed");
  await page.locator(`tr[data-key="${id}"] >> text=Edit`).click();
  await page.fill("dialog input[name=models]", "nexus-*");
  await page.fill("dialog input[name=max_concurrent]", "3");
  assert.equal(await page.locator(".diff tr").count(), 2);
  await page.click("dialog button[type=submit]");
  await page.locator("dialog").waitFor({ state: "detached" });
  const key = await admin("GET", `/keys/${id}`);
  assert.deepEqual([key.max_concurrent, key.scope.models], [3, ["nexus-*"]]);
});

for (const look of [{ name: "phone", size: "phone" }, { name: "dark", dark: true }, { name: "chinese", locale: "zh-CN" }]) {
  work(`what is made and tried can be read by everybody: ${look.name}`, async (page) => {
    const { data } = await admin("GET", "/requests?limit=1");
    const { id } = await find("/providers", "second");
    for (const [path, name] of [[`requests/${data[0].id}`, "request"], [`providers/${id}`, "pool"], ["setup?client=codex", "setup"]]) {
      await goTo(page, path);
      await page.waitForSelector("dl.pairs, tr[data-name], [data-snippet]");
      await assertFits(page, `${name}, ${look.name}`);
      await assertAccessible(page, `${name}, ${look.name}`);
      await shoot(page, `${name}-${look.name}`);
    }
  }, look);
}
