// How long the console's pages take over a large ledger: from when a page is asked for until nothing on it waits.

import { signIn, SIZES, start } from "./browser.js";
import { admin, PERSON, URL } from "./gateway.js";

const PAGES = [
  "overview", "traffic", "requests", "requests?status=200", "requests?alias=alias-3&model=model-3", "requests?user=nobody",
  "health", "cost?by=team", "cost?by=key", "cost?by=user", "keys", "providers", "teams", "users", "quotas", "routes", "prices", "alerts",
  "anomalies", "audit", "settings", "playground", "setup",
];
/** Pages that show a time are asked for each. */
const RANGES = ["24h", "7d", "30d", "90d"];
const TIMED = new Set(["overview", "traffic", "requests", "cost", "health"]);
/** Nothing takes this long; who waits longer waits for something that does not come. */
const LONGEST_MS = 60_000;

const MOST_MS = Number(process.env.PAGE_MOST_MS);

/** In the page: once its part is there and nothing in it waits, for two frames. */
const settled = () =>
  new Promise((resolve) => {
    let calm = 0;
    const look = () => {
      const isThere = document.querySelector("main section, main .empty") !== null;
      calm = isThere && document.querySelector("main .skeleton") === null ? calm + 1 : 0;
      if (calm === 2) resolve(performance.now());
      else requestAnimationFrame(look);
    };
    look();
  });

await admin("POST", "/users", PERSON);
const browser = await start();
const context = await browser.newContext({ viewport: SIZES.desk, locale: "en-US", timezoneId: "UTC", reducedMotion: "reduce" });
const page = await context.newPage();
page.setDefaultTimeout(LONGEST_MS);
await signIn(page);
const slow = [];
for (const path of PAGES) {
  const [name] = path.split("?");
  for (const range of TIMED.has(name) ? RANGES : [undefined]) {
    const query = range && `${path.includes("?") ? "&" : "?"}range=${range}`;
    const what = `${path}${query ?? ""}`;
    await page.goto(`${URL}/console/${what}`, { waitUntil: "commit" });
    const ms = Math.round(await page.evaluate(settled));
    console.log(`${what}: ${ms} ms`);
    if (ms > MOST_MS) slow.push(what);
  }
}
await browser.close();
if (slow.length > 0) {
  console.error(`slower than ${MOST_MS} ms: ${slow.join(", ")}`);
  process.exit(1);
}
