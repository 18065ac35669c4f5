// What was used in a time, as values that lists can be narrowed to.

import { usage } from "../api/usage.ts";
import { useQuery } from "./query.ts";
import { DAY, type Range } from "./range.ts";

export interface Seen {
  aliases: string[];
  providers: string[];
  models: string[];
}

const NOTHING: Seen = { aliases: [], providers: [], models: [] };

function distinct(values: (string | null)[]): string[] {
  return [...new Set(values.filter((value): value is string => value !== null && value !== ""))].sort();
}

/** Empty until it is known. */
export function useSeen(range: Range): Seen {
  const whole = { ...range, from: Math.floor(range.from / DAY) * DAY, until: Math.ceil(range.until / DAY) * DAY };
  const seen = useQuery(`seen ${whole.from} ${whole.until}`, async (signal) => {
    const [aliases, targets] = await Promise.all([
      usage({ by: "alias", interval: "total", range: whole }, signal),
      usage({ by: "provider", andBy: "model", interval: "total", range: whole }, signal),
    ]);
    return {
      aliases: distinct(aliases.map((row) => row.of)),
      providers: distinct(targets.map((row) => row.of)),
      models: distinct(targets.map((row) => row.andOf)),
    };
  });
  return seen.data ?? NOTHING;
}
