import assert from "node:assert/strict";
import { test } from "node:test";
import { ratesOf, succession, type Price } from "./prices.ts";

const price = (id: string, valid_from: number, more: Partial<Price> = {}): Price => ({ id, real_name: "m", provider_id: null, region: null, kind: "absolute", rates: [], valid_from, created_at: 0, ...more }) as Price;

test("a price follows the one of the same model and place that held before it", () => {
  const [first, second, other, third] = [price("1", 10), price("2", 20), price("x", 15, { region: "eu" }), price("3", 20, { created_at: 1 })];
  const before = succession([third, first, other, second]);
  assert.deepEqual([first, second, other, third].map((one) => before.get(one)?.id), [undefined, "1", undefined, "2"]);
});

test("rates are told by what they are for", () => {
  const rates = [
    { quantity: "input", tier: "standard", from_tokens: 0, nano_usd_per_million: 5 },
    { quantity: "input", tier: "batch", from_tokens: 9, nano_usd_per_million: 6 },
  ];
  assert.deepEqual(ratesOf(price("1", 0, { rates }), String, (word) => word), { input: "5", "input · batch · ≥ 9": "6" });
  assert.deepEqual(ratesOf(undefined, String, String), {});
});
