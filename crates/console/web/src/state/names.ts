// The names of teams and keys by their ids, for pages that are told only ids.

import { list } from "../api/http.ts";
import type { Key, Team } from "../api/types.ts";
import { useQuery } from "./query.ts";

export interface Names {
  teams: Map<string, string>;
  keys: Map<string, string>;
}

async function load(signal: AbortSignal): Promise<Names> {
  const [teams, keys] = await Promise.all([list<Team>("/teams", {}, signal), list<Key>("/keys", {}, signal)]);
  return {
    teams: new Map(teams.map((team) => [team.id, team.name])),
    keys: new Map(keys.map((key) => [key.id, key.name || `…${key.last_four}`])),
  };
}

const NONE: Names = { teams: new Map(), keys: new Map() };

/** Empty until they are known, and for whoever may not see them. */
export function useNames(): Names {
  return useQuery("names", load).data ?? NONE;
}

/** A name by its id; one that is not known is told by the end of its id. */
export function nameOf(names: Map<string, string>, id: string): string {
  return names.get(id) ?? `…${id.slice(-8)}`;
}
