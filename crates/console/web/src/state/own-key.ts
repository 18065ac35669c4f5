// The application key somebody calls models with from here. It lives in this page's memory only.

import { signal } from "@preact/signals";
import { modelsOf } from "../api/gateway.ts";
import { useQuery, type Loaded } from "./query.ts";

export const ownKey = signal("");

/** Counts keys, so that what is known of one is not taken for what is known of another; a key itself names nothing. */
let keys = 0;

export function takeOwnKey(key: string): void {
  keys += 1;
  ownKey.value = key;
}

/** Something asked with the own key. */
export function useOwn<T>(what: string, load: (key: string, signal: AbortSignal) => Promise<T>, everyMs = 0): Loaded<T> {
  const key = ownKey.value;
  return useQuery(`${what} of own key ${keys}`, (signal) => load(key, signal), everyMs);
}

/** The models it may call; none without a key. */
export function useModels(): Loaded<string[]> {
  return useOwn("models", (key, signal) => (key === "" ? Promise.resolve([]) : modelsOf(key, signal)));
}
