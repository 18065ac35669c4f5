// Quotas as the administration tells them, and how full whatever bounds somebody is on the node that answers.

import { get, type Query } from "./http.ts";
import type { Whole } from "./json.ts";

export type Subject = "platform" | "team" | "key" | "provider" | "model" | "user" | "tag";
export type Measure = "requests" | "tokens" | "concurrent" | "cost_nano_usd";
export type Window = "minute" | "hour" | "day" | "week" | "month" | "rolling" | "total";
export type Mode = "hard" | "soft" | "shadow" | "cut";

export interface Quota {
  id: string;
  name: string;
  subject: Subject;
  subject_value: string | null;
  measure: Measure;
  window: Window;
  utc_offset_minutes: number;
  time_zone: string | null;
  rolling_seconds: number | null;
  limit: Whole;
  mode: Mode;
  team_id: string | null;
  is_own: boolean;
  version: number;
}

export interface Holders {
  limit: Whole;
  used: Whole;
  reserved: Whole;
  counters: { name: string | null; team_id: string | null; used: Whole; reserved: Whole }[];
  holders: { request_id: string; key_id: string; amount: Whole; since: number; until: number }[];
}

/** A quota, a limit of a key or a team, or what a key is held to for a while. */
export interface Level {
  kind: "quota" | "limit" | "throttle";
  quota_id: string | null;
  name: string | null;
  subject: Subject;
  subject_value: string | null;
  measure: Measure;
  window: Window;
  mode: Mode;
  limit: Whole;
  used: Whole;
  reserved: Whole;
  begins_at: number | null;
  ends_at: number | null;
}

/** The fullest first. `percent`: how full at least; none: what is near its limit. */
export async function levels(query: Query, signal: AbortSignal): Promise<Level[]> {
  return (await get<{ data: Level[] }>("/limits", query, signal)).data;
}

/** The part of a limit that is used or held, to a hundredth of a percent; what is bounded to nothing is full. */
export function shareOf(part: Whole, { limit }: { limit: Whole }): number {
  const whole = BigInt(limit);
  return whole === 0n ? 1 : Number((BigInt(part) * 10_000n) / whole) / 10_000;
}

/** How full it is, with what calls under way hold of it. */
export function fullness({ limit, used, reserved }: { limit: Whole; used: Whole; reserved: Whole }): number {
  return shareOf((BigInt(used) + BigInt(reserved)).toString(), { limit });
}
