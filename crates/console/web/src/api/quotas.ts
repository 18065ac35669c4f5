// Quotas as the administration tells them, and how much of each is used.

import { Problem, get } from "./http.ts";

export interface Quota {
  id: string;
  name: string;
  subject: "platform" | "team" | "key" | "provider" | "model" | "user" | "tag";
  subject_value: string | null;
  measure: "requests" | "tokens" | "concurrent" | "cost_nano_usd";
  window: "minute" | "hour" | "day" | "week" | "month" | "rolling" | "total";
  time_zone: string | null;
  rolling_seconds: number | null;
  limit: number;
  mode: "hard" | "soft" | "shadow" | "cut";
  team_id: string | null;
  is_own: boolean;
  version: number;
}

export interface Holders {
  limit: number;
  used: number;
  reserved: number;
  counters: { name: string | null; team_id: string | null; used: number; reserved: number }[];
  holders: { request_id: string; key_id: string; amount: number; since: number; until: number }[];
}

/** Quotas whose use is asked for at once. */
const ASKED_MAX = 100;

/** How full each is; one that was deleted meanwhile is not among them. */
export async function fullness(quotas: readonly Quota[], signal: AbortSignal): Promise<Map<string, Holders>> {
  const ask = async ({ id }: Quota): Promise<[string, Holders] | undefined> => {
    try {
      return [id, await get<Holders>(`/quotas/${id}/holders`, {}, signal)];
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return undefined;
      throw error;
    }
  };
  const all = await Promise.all(quotas.slice(0, ASKED_MAX).map(ask));
  return new Map(all.filter((one) => one !== undefined));
}
