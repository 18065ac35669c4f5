// What an attempt cost, line by line: each quantity at its rate, exactly, as the gateway multiplies and rounds.

import type { Attempt, Rate, TargetPrice } from "../api/requests.ts";

/** One line; its amount is in millionths of a nano-dollar, so that nothing is rounded before the end. */
export interface Line {
  quantity: string;
  count: number;
  /** For a million; none where there is no rate for it. */
  rate: bigint | undefined;
  exact: bigint;
}

export interface Breakdown {
  lines: Line[];
  perRequest: bigint;
  /** In millionths, those that change anything. */
  multipliers: bigint[];
  /** Nano-dollars: what the lines come to, multiplied and rounded once. */
  sum: bigint;
}

const UNITS = 1_000_000n;
const PPM = 1_000_000;

/** What a quantity costs like where it has no rate of its own. */
const KIN: Record<string, string> = {
  cache_write_1h: "cache_write_5m",
  audio_cache_read: "audio_in",
  cache_read: "input",
  cache_write_5m: "input",
  audio_in: "input",
  image_in: "input",
  reasoning: "output",
  audio_out: "output",
  image_out: "output",
};

const PROMPT = new Set(["input", "cache_read", "cache_write_5m", "cache_write_1h", "audio_in", "image_in", "audio_cache_read"]);

function rateOf(rates: readonly Rate[], quantity: string, tier: string, prompt: number): bigint | undefined {
  const fits = rates.filter((rate) => rate.quantity === quantity && (rate.tier === tier || rate.tier === "standard") && prompt >= rate.from_tokens);
  const rank = (rate: Rate): number => (rate.tier === tier ? 2 ** 40 : 0) + rate.from_tokens;
  const best = fits.sort((a, b) => rank(b) - rank(a))[0];
  if (best) return BigInt(best.nano_usd_per_million);
  const kin = KIN[quantity];
  return kin === undefined ? undefined : rateOf(rates, kin, tier, prompt);
}

/** `undefined` where the price that was applied is not the one that is told, so that its lines are not known. */
export function breakdown(attempt: Attempt, prices: readonly TargetPrice[]): Breakdown | undefined {
  const price = prices.find((one) => one.provider === attempt.provider && one.real_name === attempt.model && one.region === attempt.region && one.rule !== null && one.rule === attempt.price_rule);
  if (!price || attempt.cost_nano_usd === null) return undefined;
  const counts = Object.entries(attempt.quantities);
  const prompt = counts.reduce((sum, [name, count]) => sum + (PROMPT.has(name) ? count : 0), 0);
  const lines = counts.map(([quantity, count]) => {
    const rate = rateOf(price.rates, quantity, attempt.service_tier, prompt);
    return { quantity, count, rate, exact: BigInt(count) * (rate ?? 0n) };
  });
  const perRequest = BigInt(price.per_request_nano_usd);
  const multipliers = price.multipliers.map((one) => BigInt(Math.round(Number(one) * PPM))).filter((ppm) => ppm !== UNITS);
  let exact = lines.reduce((sum, line) => sum + line.exact, perRequest * UNITS);
  let divisor = UNITS;
  for (const ppm of multipliers) {
    exact *= ppm;
    divisor *= UNITS;
  }
  const sum = (exact + divisor / 2n) / divisor;
  return sum === BigInt(attempt.cost_nano_usd) ? { lines, perRequest, multipliers, sum } : undefined;
}
