// Server-sent events over `fetch`: unlike `EventSource` it can show an admin key.

import { exchange, type Query } from "./http.ts";
import { parse } from "./json.ts";

/** Calls `take` with the data of every event until the stream ends or is aborted. */
export async function follow<T>(path: string, query: Query, signal: AbortSignal, take: (data: T) => void): Promise<void> {
  const response = await exchange("GET", path, { query, signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (rest + value).split("\n\n");
    rest = frames.pop() ?? "";
    for (const frame of frames) {
      const data = frame.split("\n").filter((line) => line.startsWith("data:"));
      if (data.length > 0) take(parse(data.map((line) => line.slice(5).trimStart()).join("\n")) as T);
    }
  }
}
