// Server-sent events over `fetch`: unlike `EventSource` it can show a key.

import { exchange, type Query } from "./http.ts";
import { parse } from "./json.ts";

/** Calls `take` with the data of every event of an answer until it ends. */
export async function events(response: Response, take: (data: string) => void): Promise<void> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (rest + value).split(/\r?\n\r?\n/);
    rest = frames.pop() ?? "";
    for (const frame of frames) {
      const data = frame.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      if (data.length > 0) take(data.map((line) => line.slice(5).trimStart()).join("\n"));
    }
  }
}

/** Calls `take` with what each event of the administration says, until the stream ends or is aborted. */
export async function follow<T>(path: string, query: Query, signal: AbortSignal, take: (data: T) => void): Promise<void> {
  await events(await exchange("GET", path, { query, signal }), (data) => take(parse(data) as T));
}
