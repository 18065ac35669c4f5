// A list that is read page by page: what was read stays, and more is asked for.

import { useState } from "preact/hooks";
import { get, type Listing, type Query } from "../api/http.ts";
import { useQuery, type Loaded } from "./query.ts";

const ROWS = 50;

/** The first pages of a list; `more` is there where the list goes on. */
export function usePages<T>(path: string, query: Query): Loaded<T[]> & { more: (() => void) | undefined } {
  const asked = `${path} ${JSON.stringify(query)}`;
  const [wish, setWish] = useState({ asked, pages: 1 });
  const pages = wish.asked === asked ? wish.pages : 1;
  const loaded = useQuery(`${asked} ${pages}`, async (signal) => {
    const rows: T[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < pages; page += 1) {
      const listing: Listing<T> = await get(path, { ...query, limit: ROWS, cursor }, signal);
      rows.push(...listing.data);
      cursor = listing.next_cursor ?? undefined;
      if (cursor === undefined) break;
    }
    return { rows, goesOn: cursor !== undefined };
  });
  const more = loaded.data?.goesOn ? (): void => setWish({ asked, pages: pages + 1 }) : undefined;
  return { ...loaded, data: loaded.data?.rows, more };
}
