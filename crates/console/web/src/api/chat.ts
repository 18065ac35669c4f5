// A chat as the playground asks for it: the answer as it comes, and how fast it came.

import { call, ask, type MyUsage } from "./gateway.ts";
import { events } from "./events.ts";

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

export interface Wish {
  model: string;
  messages: Message[];
  isStream: boolean;
  maxTokens: number | undefined;
  temperature: number | undefined;
  tools: unknown[];
}

export interface ToolCall {
  name: string;
  arguments: string;
}

/** What is there of an answer so far. */
export interface Answer {
  text: string;
  tools: ToolCall[];
  finish: string | undefined;
  /** In milliseconds since it was asked for. */
  firstToken: number | undefined;
  whole: number | undefined;
  prompt: number | undefined;
  completion: number | undefined;
  requestId: string | undefined;
  /** Nano-USD; `undefined`: not known yet, null: nobody knows. */
  cost: bigint | null | undefined;
}

export const NOTHING: Answer = { text: "", tools: [], finish: undefined, firstToken: undefined, whole: undefined, prompt: undefined, completion: undefined, requestId: undefined, cost: undefined };

interface Part {
  choices?: { delta?: Said; message?: Said; finish_reason?: string | null }[];
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
  error?: { message?: string };
}

interface Said {
  content?: string | null;
  tool_calls?: { index?: number; function?: { name?: string; arguments?: string } }[];
}

/** An answer with a part of a stream, or all of an answer, added to it. */
export function add(answer: Answer, part: Part, now: number): Answer {
  if (part.error) throw new Error(part.error.message ?? "");
  const [choice] = part.choices ?? [];
  const said = choice?.delta ?? choice?.message;
  const tools = [...answer.tools];
  for (const [place, told] of (said?.tool_calls ?? []).entries()) {
    const index = told.index ?? place;
    const last = tools[index] ?? { name: "", arguments: "" };
    tools[index] = { name: last.name + (told.function?.name ?? ""), arguments: last.arguments + (told.function?.arguments ?? "") };
  }
  const hasContent = Boolean(said?.content) || (said?.tool_calls ?? []).length > 0;
  return {
    ...answer,
    text: answer.text + (said?.content ?? ""),
    tools,
    finish: choice?.finish_reason ?? answer.finish,
    firstToken: answer.firstToken ?? (hasContent ? now : undefined),
    prompt: part.usage?.prompt_tokens ?? answer.prompt,
    completion: part.usage?.completion_tokens ?? answer.completion,
  };
}

/** Asks, and calls `take` with what is there, until all of it is. */
export async function chat(wish: Wish, key: string, signal: AbortSignal, take: (answer: Answer) => void): Promise<Answer> {
  const begin = performance.now();
  const since = (): number => performance.now() - begin;
  const { model, messages, isStream, maxTokens, temperature, tools } = wish;
  const body = {
    model,
    messages,
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
    ...(temperature !== undefined && { temperature }),
    ...(tools.length > 0 && { tools }),
    ...(isStream && { stream: true, stream_options: { include_usage: true } }),
  };
  const response = await call("POST", "/chat/completions", key, body, signal);
  let answer: Answer = { ...NOTHING, requestId: response.headers.get("x-request-id") ?? undefined };
  if (isStream) {
    await events(response, (data) => {
      if (data === "[DONE]") return;
      answer = add(answer, JSON.parse(data) as Part, since());
      take(answer);
    });
  } else {
    answer = add(answer, JSON.parse(await response.text()) as Part, since());
  }
  answer = { ...answer, whole: since() };
  take(answer);
  return answer;
}

/** How often and how long apart it is asked what a call cost, which is booked a moment after its answer. */
const TRIES = 12;
const PAUSE_MS = 300;

/** What a call cost, all attempts together; null where nobody knows. */
export async function costOf(requestId: string, key: string, signal: AbortSignal): Promise<bigint | null> {
  for (let tries = 0; tries < TRIES && !signal.aborted; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const { recent } = await ask<MyUsage>("/me/usage?days=1&limit=50", key, signal);
    const mine = recent.filter((one) => one.request_id === requestId);
    if (mine.length > 0) return mine.some((one) => one.cost_nano_usd === null) ? null : mine.reduce((sum, one) => sum + BigInt(one.cost_nano_usd ?? 0), 0n);
  }
  return null;
}
