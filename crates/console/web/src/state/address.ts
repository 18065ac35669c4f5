// Where in the console somebody is: a page and a query. Both stand in the URL, and nowhere else.

import { signal } from "@preact/signals";

const BASE = "/console/";

export interface Address {
  /** The page's word; empty: the first one. */
  page: string;
  query: URLSearchParams;
}

function read(): Address {
  const { pathname, search } = window.location;
  const page = pathname.startsWith(BASE) ? pathname.slice(BASE.length) : "";
  return { page: page.replace(/\/+$/, ""), query: new URLSearchParams(search) };
}

export const address = signal<Address>(read());

window.addEventListener("popstate", () => {
  address.value = read();
});

/** The URL of a page with the present time range, and other members of the query as said. */
export function href(page: string, query: Record<string, string | undefined> = {}): string {
  const kept = ["range", "from", "until"].flatMap((name) => {
    const value = address.value.query.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  const all = new URLSearchParams();
  for (const [name, value] of [...kept, ...Object.entries(query)]) {
    if (value === undefined) all.delete(name);
    else all.set(name, value);
  }
  const text = all.toString();
  return BASE + page + (text && `?${text}`);
}

/** Goes to one of the console's own URLs. */
export function go(to: string): void {
  window.history.pushState(null, "", to);
  address.value = read();
  window.scrollTo(0, 0);
}

/** Changes members of the query on this page; `undefined` takes one away. */
export function ask(changes: Record<string, string | undefined>): void {
  const query = new URLSearchParams(address.value.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  window.history.pushState(null, "", BASE + address.value.page + (text && `?${text}`));
  address.value = read();
}
