// What was planted, and everything a browser was told: no answer, page, storage or console may say it, but for the one
// answer that shows what it made.

import assert from "node:assert/strict";

/** Stands in every prompt of the suite. */
export const PROMPT = "canary prompt 77e0c3";

/** What of an answer to a change is shown this once. */
const SHOWN_ONCE = ["key", "secret", "signing_secret"];

const planted = new Map();

/** Says that nobody may be told this; of a token that is its signature, which is all of it that is secret. */
export function plant(what, secret) {
  const needle = secret.split(".").pop();
  assert.ok(needle.length >= 12, `the ${what} is too short to be told from other words`);
  planted.set(needle, what);
  return secret;
}

for (const [what, secret] of Object.entries(JSON.parse(process.env.NEXUS_CANARIES))) plant(what, secret);
plant("application key", process.env.NEXUS_KEY);
plant("admin key", process.env.NEXUS_ADMIN_KEY);
plant("prompt", PROMPT);

/** The text of an answer; what it shows once is planted and taken out of it. */
async function read(response) {
  const text = await response.text().catch(() => "");
  if (response.request().method() !== "POST" || !response.ok()) return text;
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    return text;
  }
  const shown = SHOWN_ONCE.map((name) => said?.[name]).filter((secret) => typeof secret === "string");
  return shown.reduce((left, secret) => left.replaceAll(plant("secret that was made", secret), ""), text);
}

const decoded = (base64) => Buffer.from(base64 ?? "", "base64").toString();

/** Hears the events of streams, which are answers that do not end. */
async function streams(page, told) {
  const network = await page.context().newCDPSession(page);
  const open = new Map();
  const add = (id, data) => {
    const stream = open.get(id);
    if (stream) stream.text += decoded(data);
  };
  network.on("Network.responseReceived", async ({ requestId, response }) => {
    if (response.mimeType !== "text/event-stream") return;
    const stream = { place: response.url, text: "" };
    open.set(requestId, stream);
    told.push(stream);
    // one that is over by now has nothing to read
    const { bufferedData } = await network.send("Network.streamResourceContent", { requestId }).catch(() => ({}));
    add(requestId, bufferedData);
  });
  network.on("Network.dataReceived", ({ requestId, data }) => add(requestId, data));
  await network.send("Network.enable");
}

/** Listens to a page from its first word. */
export async function listen(page) {
  const told = [];
  const answers = [];
  page.on("console", (message) => told.push({ place: "the console", text: message.text() }));
  page.on("response", (response) => {
    const isStream = response.headers()["content-type"]?.startsWith("text/event-stream");
    if (!isStream) answers.push(read(response).then((text) => told.push({ place: response.url(), text })));
  });
  await streams(page, told);

  const look = async () => {
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    const html = await page.evaluate(() => {
      const all = document.documentElement.cloneNode(true);
      // where what was made is shown once
      all.querySelectorAll("dialog .secret").forEach((shown) => shown.remove());
      return all.outerHTML;
    });
    told.push({ place: `the page ${page.url()}`, text: html }, { place: "a storage", text: kept });
  };
  const finish = async () => {
    await look();
    for (const { name, value } of await page.context().cookies()) plant(`cookie ${name}`, value);
    await Promise.all(answers);
    for (const { place, text } of told) {
      for (const [needle, what] of planted) {
        const isSaid = [needle, encodeURIComponent(needle)].some((word) => text.includes(word));
        assert.ok(!isSaid, `the ${what} is in ${place}`);
      }
    }
    return told;
  };
  return { look, finish };
}
