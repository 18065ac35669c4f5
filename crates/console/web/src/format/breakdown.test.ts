import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attempt, TargetPrice } from "../api/requests.ts";
import { breakdown } from "./breakdown.ts";

const rate = (quantity: string, nano: number, tier = "standard", from_tokens = 0): TargetPrice["rates"][number] => ({ quantity, tier, from_tokens, nano_usd_per_million: nano });

const PRICE: TargetPrice = {
  provider: "azure",
  region: null,
  real_name: "gpt-4",
  rule: "r1",
  pricing: "known",
  rates: [rate("input", 2_500_000_001), rate("output", 10_000_000_003), rate("input", 5_000_000_000, "standard", 1000), rate("output", 20_000_000_000, "priority")],
  per_request_nano_usd: "7",
  multipliers: ["1", "1.5"],
};

function attempt(quantities: Record<string, number>, cost: string | null, more: Partial<Attempt> = {}): Attempt {
  return { provider: "azure", model: "gpt-4", region: null, price_rule: "r1", service_tier: "standard", quantities, cost_nano_usd: cost, ...more } as Attempt;
}

test("the lines of a cost come to what was booked, rounded once", () => {
  // (3 × 2500.000001 + 2 × 10000.000003 + 7) × 1.5 = 41260.5000135
  const told = breakdown(attempt({ input: 3, output: 2 }, "41261"), [PRICE]);
  assert.deepEqual(told?.lines.map(({ quantity, rate }) => [quantity, rate]), [["input", 2_500_000_001n], ["output", 10_000_000_003n]]);
  assert.deepEqual([told?.sum, told?.perRequest, told?.multipliers], [41261n, 7n, [1_500_000n]]);
});

test("a rate is that of the tier, of the longest context, or of the next of kin", () => {
  const rates = (quantities: Record<string, number>, cost: string, tier = "standard"): (bigint | undefined)[] | undefined =>
    breakdown(attempt(quantities, cost, { service_tier: tier }), [PRICE])?.lines.map(({ rate }) => rate);
  assert.deepEqual(rates({ input: 1000 }, "7500011"), [5_000_000_000n]);
  assert.deepEqual(rates({ output: 1 }, "30011", "priority"), [20_000_000_000n]);
  assert.deepEqual(rates({ cache_read: 1, reasoning: 1 }, "18761"), [2_500_000_001n, 10_000_000_003n]);
  assert.deepEqual(rates({ searches: 4 }, "11"), [undefined]);
});

test("no line is told of another price, of an unknown cost, or where the sum differs", () => {
  assert.equal(breakdown(attempt({ input: 3 }, "1", { price_rule: "r2" }), [PRICE]), undefined);
  assert.equal(breakdown(attempt({ input: 3 }, null), [PRICE]), undefined);
  assert.equal(breakdown(attempt({ input: 3 }, "12345"), [PRICE]), undefined);
});
