// Prices as the administration tells them.

import type { Rate } from "./requests.ts";

export interface Price {
  id: string;
  real_name: string;
  provider_id: string | null;
  region: string | null;
  kind: "absolute" | "relative" | "ceiling";
  rates: Rate[];
  per_request_nano_usd: string;
  is_free: boolean;
  multiplier: string | null;
  valid_from: number;
  created_at: number;
}

export interface Unpriced {
  from: number;
  until: number;
  models: { provider: string; real_name: string; unpriced: number; attempts: number; prompt_tokens: number; completion_tokens: number }[];
}

export interface Reprice {
  id: string;
  is_preview: boolean;
  state: "running" | "done" | "stopped";
  from: number;
  until: number;
  real_name: string | null;
  looked_at: number;
  changed: number;
  raised_nano_usd: string;
  lowered_nano_usd: string;
  created_at: number;
}

/** The prices of one model that were in force one after the other: the same name, place and kind. */
export function succession(prices: readonly Price[]): Map<Price, Price | undefined> {
  const scope = (price: Price): string => [price.real_name, price.provider_id, price.region, price.kind].join("\n");
  const ordered = [...prices].sort((a, b) => a.valid_from - b.valid_from || a.created_at - b.created_at || a.id.localeCompare(b.id));
  const last = new Map<string, Price>();
  const before = new Map<Price, Price | undefined>();
  for (const price of ordered) {
    before.set(price, last.get(scope(price)));
    last.set(scope(price), price);
  }
  return before;
}

/** What can be held against another price: every rate by its name, in dollars. */
export function ratesOf(price: Price | undefined, usd: (nano: bigint) => string, name: (quantity: string) => string): Record<string, string> {
  const rates = (price?.rates ?? []).map((rate): [string, string] => {
    const more = [rate.tier === "standard" ? "" : rate.tier, rate.from_tokens > 0 ? `≥ ${rate.from_tokens}` : ""].filter((part) => part !== "");
    return [[name(rate.quantity), ...more].join(" · "), usd(BigInt(rate.nano_usd_per_million))];
  });
  return Object.fromEntries(rates);
}
