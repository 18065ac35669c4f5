// A list that is read page by page: what was read stays, and more is asked for.

import { useState } from "preact/hooks";
import { get, type Listing, type Problem, type Query } from "../api/http.ts";
import { changesSoFar, useQuery, type Loaded } from "./query.ts";

const ROWS = 50;

/** What was read so far, where that is more than the first page. */
interface Read<T> {
  question: string;
  /** Changes until then: after one the list is read anew. */
  changes: number;
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
  const [read, setRead] = useState<Read<T> | undefined>(undefined);
  const question = `${path} ${JSON.stringify(query)}`;
  const changes = changesSoFar();
  const own = read?.question === question && read.changes === changes ? read : undefined;
  const first = useQuery<Listing<T>>(question, (signal) => get(path, { ...query, limit: ROWS }, signal), own ? 0 : everyMs);
  const rows = own?.rows ?? first.data?.data;
  const cursor = own ? own.cursor : (first.data?.next_cursor ?? null);
  const more = (): void => {
    if (!rows || cursor === null || own?.isBusy) return;
    const now = { question, changes, rows, cursor };
    setRead({ ...now, isBusy: true });
    get<Listing<T>>(path, { ...query, limit: ROWS, cursor }).then(
      (page) => setRead({ ...now, rows: [...rows, ...page.data], cursor: page.next_cursor, isBusy: false }),
      (problem: Problem) => setRead({ ...now, problem, isBusy: false }),
    );
  };
  return { ...first, data: rows, problem: first.problem ?? own?.problem, more: cursor === null ? undefined : more, isBusy: own?.isBusy ?? false };
}
