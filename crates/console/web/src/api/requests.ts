// Requests as the administration tells them, and the prices that explain what one cost.

import { get } from "./http.ts";

export interface PassedOver {
  provider: string;
  model: string;
  region: string | null;
  why: string;
}

export interface Attempt {
  id: string;
  number: number;
  provider: string;
  model: string;
  region: string | null;
  outcome: string;
  status: number;
  started_at_ms: number;
  first_token_us: number | null;
  duration_us: number;
  quantities: Record<string, number>;
  source: string;
  doubt: string | null;
  cost_nano_usd: string | null;
  pricing: string;
  price_rule: string | null;
  service_tier: string;
  bearer: string;
  provider_request_id: string | null;
  raw_usage: unknown;
  policy: string | null;
  route: string | null;
  before_us: number | null;
  request_bytes: number | null;
  answer_bytes: number | null;
  passed_over: PassedOver[];
  passed_over_more: number;
}

export interface Request {
  id: string;
  at: number;
  team_id: string | null;
  key_id: string;
  operation: string;
  alias: string;
  is_stream: boolean;
  status: number;
  outcome: string;
  user: string | null;
  tags: string[];
  cost_nano_usd: string;
  attempts: Attempt[];
  content: { expires_at: number; bytes: number; is_cut: boolean } | null;
}

export interface Content {
  prompt: string;
  answer: string;
  is_cut: boolean;
  expires_at: number;
}

export interface Rate {
  quantity: string;
  tier: string;
  from_tokens: number;
  nano_usd_per_million: string | number;
}

export interface TargetPrice {
  provider: string;
  region: string | null;
  real_name: string;
  rule: string | null;
  pricing: string;
  rates: Rate[];
  per_request_nano_usd: string;
  multipliers: string[];
}

/** What the targets of an alias cost now. */
export async function pricesOf(alias: string, signal?: AbortSignal): Promise<TargetPrice[]> {
  return (await get<{ targets: TargetPrice[] }>("/prices/effective", { alias }, signal)).targets;
}

const TOKENS = /^(input|cache_|output|reasoning|audio_in|audio_out|audio_cache|image_in|image_out)/;
const ANSWER = new Set(["output", "reasoning", "audio_out", "image_out"]);

/** How many tokens were sent and came back. */
export function tokensOf(attempts: readonly Attempt[]): { prompt: number; answer: number } {
  const sums = { prompt: 0, answer: 0 };
  for (const { quantities } of attempts) {
    for (const [name, count] of Object.entries(quantities)) {
      if (ANSWER.has(name)) sums.answer += count;
      else if (TOKENS.test(name)) sums.prompt += count;
    }
  }
  return sums;
}

/** From its first attempt's beginning (or its arrival, where that is known) to its last one's end, in milliseconds. */
export function durationOf({ attempts }: Request): number {
  const ends = attempts.map((one) => one.started_at_ms + one.duration_us / 1000);
  return Math.max(...ends, 0) - arrivalOf(attempts);
}

export function arrivalOf(attempts: readonly Attempt[]): number {
  const first = attempts[0];
  return first ? first.started_at_ms - (first.before_us ?? 0) / 1000 : 0;
}
