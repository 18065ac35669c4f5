// What people do in the console besides looking: teams, quotas, providers, routes, prices and webhooks, each through its
// form; the playground; and what somebody sees who has an application key alone.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { assertAccessible, assertFits, goTo, open, shoot, signIn, start } from "./browser.js";
import { admin, adminText, call, HOSTILE, until, URL } from "./gateway.js";
import { carryOut } from "./snippet.js";

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

work("a budget of millions keeps every digit, and is burnt down by the calendar of its own place", async (page) => {
  const { id: team_id } = await find("/teams", "dev");
  await goTo(page, "quotas");
  await page.click("text=New quota");
  await page.fill("dialog input[name=name]", "large");
  await page.selectOption("dialog select[name=team]", { label: "dev" });
  await page.fill("dialog input[name=time_zone]", "Asia/Kolkata");
  await page.fill("dialog input[name=dollars]", "123456789.123456789");
  await page.click("dialog button[type=submit]");
  await row(page, "large").locator("text=$123,456,789.123456789").waitFor();
  await row(page, "large").locator("text=Asia/Kolkata").waitFor();
  const digits = async () => (await adminText("/quotas")).match(/"name":"large"[^}]*"limit":(\d+)/)[1];
  assert.equal(await digits(), "123456789123456789");
  await row(page, "large").locator("text=Edit").click();
  assert.equal(await page.inputValue("dialog input[name=dollars]"), "$123456789.123456789");
  await page.fill("dialog input[name=dollars]", "123456789.123456788");
  await page.click("dialog button[type=submit]");
  await row(page, "large").locator("text=$123,456,789.123456788").waitFor();
  assert.equal(await digits(), "123456789123456788");

  const asked = page.waitForRequest((request) => request.url().includes("/usage?") && request.url().includes(`team_id=${team_id}`) && request.url().includes("interval=hour"));
  await goTo(page, "cost");
  const query = new globalThis.URL((await asked).url()).searchParams;
  assert.equal(Number(query.get("from")) % 86_400, 18 * 3600, "the hour in which a month of Kolkata begins");
  const card = page.locator("section.card", { has: page.locator("h2", { hasText: /^large$/ }) });
  await card.locator(".badge", { hasText: "$123,456,78" }).waitFor();
  await card.locator(".chart").focus();
  await page.keyboard.press("ArrowRight");
  await card.locator(".values-row", { hasText: "$123,456,789.123456788" }).waitFor();
  await assertAccessible(page, "a budget of another calendar");
  await shoot(page, "budget-light");
  const { id } = await find("/quotas", "large");
  await admin("DELETE", `/quotas/${id}`);
});

work("keys that have used up what they may are told apart, with what bounds them", async (page) => {
  const { id: team_id } = await admin("POST", "/teams", { name: "bounded" });
  const made = async (name, more) => admin("POST", "/keys", { level: "app", team_id, name, ...more });
  const [over, near, free] = [await made(HOSTILE[4], {}), await made("nearly", { rate_limit: 1000 }), await made("free", {})];
  await admin("POST", "/quotas", { name: HOSTILE[0], subject: "key", subject_value: over.id, measure: "requests", window: "day", limit: 2, mode: "hard" });
  await admin("POST", "/quotas", { name: HOSTILE[1], subject: "key", subject_value: near.id, measure: "requests", window: "day", limit: 5, mode: "soft" });
  await until("the quotas", async () => {
    const told = await adminText("/limits?kind=quota&percent=0");
    return [over, near].every(({ id }) => told.includes(id));
  });
  for (let calls = 0; calls < 2; calls += 1) assert.equal(await call({ key: over.key }), 200);
  for (let calls = 0; calls < 4; calls += 1) assert.equal(await call({ key: near.key }), 200);
  await goTo(page, "keys?standing=over");
  const line = page.locator(`tr[data-key="${over.id}"]`);
  await line.locator("[data-standing=over] .badge-bad", { hasText: "Used up" }).waitFor();
  await line.locator("a", { hasText: HOSTILE[0] }).waitFor();
  assert.equal(await call({ key: over.key }), 429);
  assert.equal(await page.locator(`tr[data-key="${free.id}"]`).count(), 0);
  await assertAccessible(page, "keys that have used up what they may");
  await shoot(page, "keys-over-light");
  await page.click("main button:has-text('Nearly used up')");
  await until("the filter in the URL", () => page.url().includes("standing=near"));
  await page.locator(`tr[data-key="${near.id}"] [data-standing=near]`, { hasText: "80% of 5" }).waitFor();
  await page.click("main button:has-text('Every key')");
  await page.locator(`tr[data-key="${free.id}"]`).waitFor();
  assert.equal(await page.locator(`tr[data-key="${free.id}"] [data-standing]`).count(), 0);
});

work("nodes say how far each has come, what each does alone, and what is done without", async (page) => {
  await goTo(page, "nodes");
  const own = page.locator("tr[data-node]", { hasText: "this one" });
  await own.locator(".badge-good", { hasText: "Here" }).waitFor();
  await own.locator("td", { hasText: "upkeep" }).waitFor();
  const { data } = await admin("GET", "/nodes");
  const other = { ...data[0], id: "00000000-0000-7000-8000-000000000000", name: HOSTILE[0], zone: HOSTILE[1], world_revision: 0, is_this: false, jobs: [] };
  const gone = { ...other, id: "00000000-0000-7000-8000-000000000001", name: "gone", is_here: false };
  const health = await admin("GET", "/health");
  await page.route("**/admin/v1/nodes?*", (route) => route.fulfill({ json: { data: [data[0], other, gone], has_more: false, next_cursor: null } }));
  await page.route("**/admin/v1/health", (route) => route.fulfill({ json: { ...health, degraded: ["database_away", HOSTILE[2]] } }));
  const behind = page.locator(`tr[data-node="${other.id}"]`);
  await behind.locator(".badge-warn", { hasText: "behind" }).waitFor();
  await page.locator(`tr[data-node="${gone.id}"] .badge-bad`, { hasText: "Gone" }).waitFor();
  await page.locator(".degraded", { hasText: "The database is away" }).waitFor();
  await page.locator(".degraded", { hasText: HOSTILE[2] }).waitFor();
  await assertAccessible(page, "nodes");
  await shoot(page, "nodes-degraded-light");
});

work("a revision says what it changed and which nodes have it, and is taken back after its inverse was seen", async (page) => {
  const made = await admin("POST", "/quotas", { name: HOSTILE[1], subject: "platform", measure: "requests", window: "day", limit: 1_000_000, mode: "soft" });
  await admin("PATCH", `/quotas/${made.id}`, { limit: 2_000_000 }, { "if-match": `"${made.version}"` });
  await goTo(page, "revisions?action=quota.");
  const line = page.locator("tr[data-revision]", { hasText: made.id.slice(-12) }).first();
  const number = await line.getAttribute("data-revision");
  await line.locator(".badge-good", { hasText: "1 of 1 nodes" }).waitFor();
  await line.locator("button.link", { hasText: "quota.update" }).click();
  await page.locator("dialog .diff tr", { hasText: "limit" }).locator("ins", { hasText: "2000000" }).waitFor();
  await page.locator("dialog .having .badge-good").waitFor();
  await assertAccessible(page, "a revision");
  await shoot(page, "revision-light");
  await page.click("dialog button:has-text('Take it back')");
  await page.locator("dialog .diff tr", { hasText: `…${made.id.slice(-12)}/limit` }).locator("ins", { hasText: "1000000" }).waitFor();
  await assertAccessible(page, "the inverse of a revision");
  await shoot(page, "revision-undo-light");
  assert.equal((await admin("GET", `/quotas/${made.id}`)).limit, 2_000_000, "a look changes nothing");
  await confirm(page, number);
  await until("the limit before", async () => (await admin("GET", `/quotas/${made.id}`)).limit === 1_000_000);
  await page.locator(`tr[data-revision="${number}"] .badge-warn`, { hasText: "taken back by" }).waitFor();
  const key = await admin("POST", "/keys", { level: "app", team_id: (await find("/teams", "dev")).id, name: "stays" });
  await goTo(page, "revisions?action=key.create");
  await page.locator("tr[data-revision]", { hasText: key.id.slice(-12) }).locator("button.link").click();
  await page.waitForSelector("dialog [data-stays] li");
  assert.equal(await page.locator("dialog button:has-text('Take it back')").count(), 0);
  await assertAccessible(page, "a revision that stays");
  await admin("DELETE", `/quotas/${made.id}`);
});

work("the chain of the trail is walked, and the outcome said", async (page) => {
  await goTo(page, "audit");
  await page.click("main button:has-text('Walk the chain')");
  await page.locator(".chain-walk .badge-good", { hasText: "Whole" }).waitFor();
  await page.locator(".chain-walk", { hasText: /All [\d,]+ rows are as they were written/ }).waitFor();
  await assertAccessible(page, "a chain that was walked");
  await shoot(page, "audit-walked-light");
  const broken = { outcome: "broken", rows: 2, seq: 3, what: HOSTILE[1] };
  await page.route("**/admin/v1/audit-logs/verify", (route) => route.fulfill({ json: broken }));
  await page.click("main button:has-text('Walk the chain')");
  await page.locator(".chain-walk .badge-bad").waitFor();
  await page.locator(".chain-walk", { hasText: `Up to row 3 all is well: ${HOSTILE[1]}` }).waitFor();
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
  const many = await page.locator(".setup-clients button").count();
  assert.ok(many >= 10, "every client there should be is there");
  const said = new Map();
  for (let index = 0; index < many; index += 1) {
    await page.locator(".setup-clients button").nth(index).click();
    const shown = page.locator("[data-snippet]");
    const [id, snippet] = [await shown.getAttribute("data-snippet"), await shown.textContent()];
    assert.ok(snippet.includes(new globalThis.URL(page.url()).origin), id);
    said.set(id, await carryOut(id, snippet));
  }
  assert.equal(JSON.parse(said.get("curl")).object, "chat.completion");
  assert.equal(JSON.parse(said.get("codex")).object, "response");
  assert.equal(JSON.parse(said.get("claude-code")).type, "message");
  assert.ok(JSON.parse(said.get("open-webui")).data.some(({ id }) => id === "nexus-gpt4"));
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
