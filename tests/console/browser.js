// Chromium, and what must never happen in it: a dialog, a breach of the policy, an error, a request to elsewhere.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { listen } from "./canary.js";
import { PERSON, URL } from "./gateway.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SCREENSHOTS = process.env.NEXUS_SCREENSHOTS;
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The sizes pages are looked at in. */
export const SIZES = {
  desk: { width: 1440, height: 900 },
  phone: { width: 360, height: 780 },
  wide: { width: 2560, height: 1300 },
};

/** A browser of its own, with a profile of its own. */
export const start = () => chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });

const canaries = new WeakMap();

/** A page of somebody new, and everything wrong that happened on it so far. */
export async function open(browser, { size = "desk", dark = false, locale = "en-US" } = {}) {
  const context = await browser.newContext({
    viewport: SIZES[size],
    locale,
    timezoneId: "UTC",
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  const wrongs = [];
  page.on("dialog", async (dialog) => {
    wrongs.push(`a dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  page.on("pageerror", (error) => wrongs.push(`an error: ${error}`));
  page.on("console", (message) => {
    // a browser logs answers such as 401 by itself; whether they are right is asserted where they are asked for
    const isStatus = message.text().startsWith("Failed to load resource");
    if (["error", "warning"].includes(message.type()) && !isStatus) wrongs.push(`the console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(URL) && !request.url().startsWith("data:")) wrongs.push(`asks elsewhere: ${request.url()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  const canary = await listen(page);
  canaries.set(page, canary);
  const close = async () => {
    await canary.finish();
    await context.close();
  };
  return { page, wrongs, canary, close };
}

/** Signs in through the form. */
export async function signIn(page, person = PERSON) {
  await page.goto(`${URL}/console/`);
  await page.fill("input[name=email]", person.email);
  await page.fill("input[name=password]", person.password);
  await page.click("button[type=submit]");
  await page.waitForSelector("nav#nav", { state: "attached" });
}

/** Goes to a page as a link of the console would. */
export async function goTo(page, path) {
  await page.goto(`${URL}/console/${path}`);
  await page.waitForSelector("main section, main .empty, main .trouble");
  await canaries.get(page)?.look();
}

/** No serious violation of what axe-core knows of accessibility. */
export async function assertAccessible(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = serious.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join(" | ")}`);
  assert.deepEqual(told, [], what);
}

/** Nothing of the page lies beyond its right edge. */
export async function assertFits(page, what) {
  const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
  assert.ok(inner <= outer, `${what}: ${inner} px in ${outer} px`);
}

export async function shoot(page, name) {
  await canaries.get(page)?.look();
  if (!SCREENSHOTS) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}
