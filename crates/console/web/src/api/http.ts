// Requests to the administration. What goes wrong is a `Problem`; what changes something shows that the console asks.

import { parse, write } from "./json.ts";

const PREFIX = "/admin/v1";

/** A problem as RFC 9457 tells it; `status` 0 where no answer came. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  /** What is wrong with which member. */
  readonly flaws: { pointer: string; detail: string }[];

  constructor(status: number, code: string, detail: string, flaws: Problem["flaws"] = []) {
    super(detail);
    this.status = status;
    this.code = code;
    this.flaws = flaws;
  }
}

/** What shows who asks: a session's token against forged requests (the cookie goes by itself), or an admin key. */
export type Proof = { csrf: string } | { key: string } | undefined;

let proof: Proof;
let turnedAway: () => void = () => {};

export function prove(by: Proof): void {
  proof = by;
}

/** Calls `listener` when the administration no longer knows who asks. */
export function onTurnedAway(listener: () => void): void {
  turnedAway = listener;
}

export type Query = Record<string, string | number | undefined>;

/** A body that is JSON already, and is sent to the last character as it is. */
export class Raw {
  readonly json: string;

  constructor(json: string) {
    this.json = json;
  }
}

export interface Ask {
  query?: Query | undefined;
  body?: unknown;
  /** The version a change is for. */
  version?: number | undefined;
  signal?: AbortSignal | undefined;
}

function url(path: string, query: Query = {}): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  );
  const text = new URLSearchParams(pairs).toString();
  return PREFIX + path + (text && `?${text}`);
}

function headers(method: string, ask: Ask): Headers {
  const all = new Headers({ accept: "application/json, text/event-stream" });
  if (ask.body !== undefined) all.set("content-type", "application/json");
  if (ask.version !== undefined) all.set("if-match", `"${ask.version}"`);
  if (proof && "key" in proof) all.set("authorization", `Bearer ${proof.key}`);
  if (proof && "csrf" in proof && method !== "GET") all.set("x-csrf-token", proof.csrf);
  return all;
}

/** The answer to a request, where it is a good one. */
export async function exchange(method: string, path: string, ask: Ask = {}): Promise<Response> {
  const request: RequestInit = { method, headers: headers(method, ask), credentials: "same-origin", cache: "no-store" };
  if (ask.body !== undefined) request.body = ask.body instanceof Raw ? ask.body.json : write(ask.body);
  if (ask.signal) request.signal = ask.signal;
  let response: Response;
  try {
    response = await fetch(url(path, ask.query), request);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "");
  }
  if (response.ok) return response;
  const problem = await read(response);
  if (problem.status === 401 && proof) turnedAway();
  throw problem;
}

async function read(response: Response): Promise<Problem> {
  try {
    const told = parse(await response.text()) as { code?: unknown; detail?: unknown; title?: unknown; errors?: unknown };
    const flaws = Array.isArray(told.errors) ? (told.errors as Problem["flaws"]) : [];
    return new Problem(response.status, String(told.code ?? ""), String(told.detail ?? told.title ?? ""), flaws);
  } catch {
    return new Problem(response.status, "", "");
  }
}

async function json<T>(method: string, path: string, ask?: Ask): Promise<T> {
  const text = await (await exchange(method, path, ask)).text();
  return (text === "" ? undefined : parse(text)) as T;
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> => json("GET", path, { query, signal });
export const post = <T>(path: string, body: unknown = undefined): Promise<T> => json("POST", path, { body });
export const patch = <T>(path: string, version: number, body: unknown): Promise<T> => json("PATCH", path, { version, body });
export const put = <T>(path: string, body: unknown, version?: number): Promise<T> => json("PUT", path, { version, body });
export const remove = (path: string): Promise<void> => json("DELETE", path);

/** A page of a list. */
export interface Listing<T> {
  data: T[];
  has_more: boolean;
  next_cursor: string | null;
}

/** Pages that are read at most; a list that is longer is searched with filters. */
const PAGES_MAX = 10;

/** The first two thousand rows of a list. */
export async function list<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T[]> {
  const rows: T[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const listing: Listing<T> = await get(path, { ...query, limit: 200, cursor }, signal);
    rows.push(...listing.data);
    if (!listing.next_cursor) break;
    cursor = listing.next_cursor;
  }
  return rows;
}
