// Usage as charts and tables take it: amounts as `bigint`, and points for times at which nothing was used.

import { points, type Range } from "../state/range.ts";
import { get, type Query } from "./http.ts";
import type { Quantiles, Usage, UsageBy, UsageRow } from "./types.ts";

/** What was used, summed. */
export interface Sums {
  requests: number;
  attempts: number;
  failed: number;
  repeated: number;
  unpriced: number;
  tokens: number;
  prompt: number;
  completion: number;
  charged: bigint;
  absorbed: bigint;
}

export interface Row extends Sums {
  at: number;
  of: string | null;
  andOf: string | null;
  latency: Quantiles | null;
  firstToken: Quantiles | null;
}

function row(told: UsageRow): Row {
  return {
    at: told.at,
    of: told.of,
    andOf: told.and_of,
    requests: told.requests,
    attempts: told.attempts,
    failed: told.failed,
    repeated: told.repeated,
    unpriced: told.unpriced,
    tokens: told.prompt_tokens + told.completion_tokens,
    prompt: told.prompt_tokens,
    completion: told.completion_tokens,
    charged: BigInt(told.charged_nano_usd),
    absorbed: BigInt(told.absorbed_nano_usd),
    latency: told.latency,
    firstToken: told.first_token,
  };
}

export interface Wish {
  by: UsageBy;
  andBy?: UsageBy | undefined;
  interval: "minute" | "hour" | "day" | "total";
  range: Range;
  only?: Query;
}

export async function usage({ by, andBy, interval, range, only }: Wish, signal?: AbortSignal): Promise<Row[]> {
  const query = { by, and_by: andBy, interval, from: range.from, until: range.until, ...only };
  return (await get<Usage>("/usage", query, signal)).rows.map(row);
}

export function total(rows: readonly Sums[]): Sums {
  const sums = { requests: 0, attempts: 0, failed: 0, repeated: 0, unpriced: 0, tokens: 0, prompt: 0, completion: 0, charged: 0n, absorbed: 0n };
  for (const one of rows) {
    for (const name of ["requests", "attempts", "failed", "repeated", "unpriced", "tokens", "prompt", "completion"] as const) {
      sums[name] += one[name];
    }
    sums.charged += one.charged;
    sums.absorbed += one.absorbed;
  }
  return sums;
}

/** The rows of each point of a range. */
export function byTime(rows: readonly Row[], range: Range): Row[][] {
  const at = points(range);
  const places = new Map(at.map((moment, index) => [moment, index]));
  const groups: Row[][] = at.map(() => []);
  for (const one of rows) {
    const place = places.get(one.at);
    if (place !== undefined) groups[place]?.push(one);
  }
  return groups;
}

/** The rows of each thing they are told apart by, those with the most of `measure` first. */
export function byThing(rows: readonly Row[], measure: (sums: Sums) => bigint): { of: string | null; rows: Row[]; sums: Sums }[] {
  const groups = new Map<string | null, Row[]>();
  for (const one of rows) {
    const own = groups.get(one.of);
    if (own) own.push(one);
    else groups.set(one.of, [one]);
  }
  const things = [...groups].map(([of, rows]) => ({ of, rows, sums: total(rows) }));
  return things.sort((a, b) => {
    const difference = measure(b.sums) - measure(a.sums);
    return difference > 0n ? 1 : difference < 0n ? -1 : (a.of ?? "").localeCompare(b.of ?? "");
  });
}
