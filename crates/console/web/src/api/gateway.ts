// Requests to the gateway itself, as an application makes them: with a key of its own, and OpenAI's errors.

import { Problem } from "./http.ts";
import { parse, type Whole } from "./json.ts";

/** The answer to a request, where it is a good one. */
export async function call(method: string, path: string, key: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers = new Headers({ authorization: `Bearer ${key}` });
  if (body !== undefined) headers.set("content-type", "application/json");
  const request: RequestInit = { method, headers, credentials: "omit", cache: "no-store" };
  if (body !== undefined) request.body = JSON.stringify(body);
  if (signal) request.signal = signal;
  let response: Response;
  try {
    response = await fetch(`/v1${path}`, request);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "");
  }
  if (response.ok) return response;
  throw await read(response);
}

async function read(response: Response): Promise<Problem> {
  try {
    const told = parse(await response.text()) as { error?: { message?: unknown; code?: unknown }; detail?: unknown };
    return new Problem(response.status, String(told.error?.code ?? ""), String(told.error?.message ?? told.detail ?? ""));
  } catch {
    return new Problem(response.status, "", "");
  }
}

export async function ask<T>(path: string, key: string, signal?: AbortSignal): Promise<T> {
  return parse(await (await call("GET", path, key, undefined, signal)).text()) as T;
}

/** The models a key may call. */
export async function modelsOf(key: string, signal?: AbortSignal): Promise<string[]> {
  const { data } = await ask<{ data: { id: string }[] }>("/models", key, signal);
  return data.map(({ id }) => id).sort();
}

/** What a key's holder is told of it. */
export interface Me {
  id: string;
  level: string;
  name: string | null;
  team: { id: string; name: string | null } | null;
  expires_at: number | null;
  limits: Limit[];
  spend: { today_nano_usd: string; month_nano_usd: string };
}

export interface Limit {
  name: string;
  of: "key" | "team" | "session_budget";
  measure: "requests" | "tokens" | "concurrent" | "cost_nano_usd";
  window: string;
  mode: string;
  limit: Whole;
  used: Whole;
  reserved: Whole;
  left: Whole;
  resets_at: number | null;
}

export interface MyCall {
  request_id: string;
  attempt: number;
  at: number;
  model: string;
  operation: string;
  status: number;
  outcome: string;
  prompt_tokens: number;
  completion_tokens: number;
  cost_nano_usd: string | null;
  latency_ms: number;
  first_token_ms: number | null;
}

export interface ModelDay {
  at: number;
  model: string;
  requests: number;
  failed: number;
  prompt_tokens: number;
  completion_tokens: number;
  cost_nano_usd: string;
  unpriced: number;
}

export interface MyUsage {
  data: ModelDay[];
  recent: MyCall[];
}
