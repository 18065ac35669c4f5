// How keys stand to what bounds them: their own limits and quotas and their team's, as far as they are nearly used up.

import { fullness, levels, type Level } from "../api/quotas.ts";
import type { Key } from "../api/types.ts";
import { useQuery } from "./query.ts";

/** What is looked for, the worst first. */
export const STANDINGS = ["over", "throttled", "near"] as const;
export type Standing = (typeof STANDINGS)[number];

export interface Bounded {
  standing: Standing;
  /** What bounds it, the worst first. */
  by: Level[];
}

const FRESH_MS = 3000;

export function standingOf(level: Level): Standing {
  if (fullness(level) >= 1) return "over";
  return level.kind === "throttle" ? "throttled" : "near";
}

/** What is nearly used up, by the team or key it bounds. */
function bySubject(all: readonly Level[]): Map<string, Level[]> {
  const found = new Map<string, Level[]>();
  for (const level of all) {
    if (level.subject !== "key" && level.subject !== "team") continue;
    const subject = level.subject_value ?? "";
    found.set(subject, [...(found.get(subject) ?? []), level]);
  }
  return found;
}

/** What a key stands near to; `undefined` where nothing is. A session key falls under what bounds the key it was made from. */
export function boundOf({ id, parent_id, team_id }: Pick<Key, "id" | "parent_id" | "team_id">, all: ReadonlyMap<string, Level[]>): Bounded | undefined {
  const by = [id, parent_id, team_id].flatMap((one) => (one === null ? [] : (all.get(one) ?? [])));
  const standing = STANDINGS.find((one) => by.some((level) => standingOf(level) === one));
  return standing && { standing, by: by.sort((a, b) => STANDINGS.indexOf(standingOf(a)) - STANDINGS.indexOf(standingOf(b)) || fullness(b) - fullness(a)) };
}

/** Asked for again and again: limits of a minute come and go. */
export function useStandings(): ReadonlyMap<string, Level[]> {
  return useQuery("standings", async (signal) => bySubject(await levels({}, signal)), FRESH_MS).data ?? NONE;
}

const NONE: ReadonlyMap<string, Level[]> = new Map();
