// A list that is read page by page: what was read stays, and more is asked for.

import { useState } from "preact/hooks";
import { get, type Listing, type Problem, type Query } from "../api/http.ts";
import { useQuery, type Loaded } from "./query.ts";

const ROWS = 50;

/** What was read beyond a first page. */
interface Rest<T> {
  of: Listing<T>;
  rows: T[];
  cursor: string | null;
  problem?: Problem;
  isBusy: boolean;
}

export interface Pages<T> extends Loaded<T[]> {
  /** Reads on, where the list goes on. */
  more: (() => void) | undefined;
  isBusy: boolean;
}

/** The first pages of a list. While nothing beyond the first is read it is asked for again every `everyMs`. */
export function usePages<T>(path: string, query: Query, everyMs = 0): Pages<T> {
  const [rest, setRest] = useState<Rest<T> | undefined>(undefined);
  const question = `${path} ${JSON.stringify(query)}`;
  const first = useQuery<Listing<T>>(question, (signal) => get(path, { ...query, limit: ROWS }, signal), rest === undefined ? everyMs : 0);
  const own = rest !== undefined && rest.of === first.data ? rest : undefined;
  const cursor = own ? own.cursor : (first.data?.next_cursor ?? null);
  const more = (): void => {
    const of = first.data;
    if (!of || cursor === null || own?.isBusy) return;
    const rows = own?.rows ?? [];
    setRest({ of, rows, cursor, isBusy: true });
    get<Listing<T>>(path, { ...query, limit: ROWS, cursor }).then(
      (page) => setRest({ of, rows: [...rows, ...page.data], cursor: page.next_cursor, isBusy: false }),
      (problem: Problem) => setRest({ of, rows, cursor, problem, isBusy: false }),
    );
  };
  return {
    ...first,
    data: first.data && [...first.data.data, ...(own?.rows ?? [])],
    problem: first.problem ?? own?.problem,
    more: cursor === null ? undefined : more,
    isBusy: own?.isBusy ?? false,
  };
}
