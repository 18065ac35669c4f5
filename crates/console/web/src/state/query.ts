// Data of the administration in a component: what was known last is shown until something newer is there.

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Problem } from "../api/http.ts";

export interface Loaded<T> {
  data: T | undefined;
  problem: Problem | undefined;
  isLoading: boolean;
}

/** What was known last, by what was asked; the oldest goes. */
const known = new Map<string, unknown>();
const KNOWN_MAX = 60;

/** Counts changes made here, after which everything is asked anew. */
const changes = signal(0);

export function changed(): void {
  changes.value += 1;
}

/** How many changes there were: what was known before one may be old. */
export function changesSoFar(): number {
  return changes.value;
}

/** Forgets everything: somebody else may come now. */
export function forget(): void {
  known.clear();
}

function remember(question: string, data: unknown): void {
  known.delete(question);
  known.set(question, data);
  for (const oldest of known.keys()) {
    if (known.size <= KNOWN_MAX) break;
    known.delete(oldest);
  }
}

/** The answer to `question`, asked again every `everyMs` while the page is looked at. */
export function useQuery<T>(question: string, load: (signal: AbortSignal) => Promise<T>, everyMs = 0): Loaded<T> {
  const [state, setState] = useState<{ question: string; data?: T; problem?: Problem }>({ question });
  const latest = useRef(load);
  latest.current = load;
  const round = changes.value;
  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const run = async (): Promise<void> => {
      let mayAsk = true;
      if (document.visibilityState === "visible") {
        try {
          const data = await latest.current(abort.signal);
          if (abort.signal.aborted) return;
          remember(question, data);
          setState({ question, data });
        } catch (error) {
          if (abort.signal.aborted) return;
          mayAsk = (error as Problem).status !== 403;
          setState((last) => ({ ...(last.question === question ? last : { question }), problem: error as Problem }));
        }
      }
      if (everyMs > 0 && mayAsk && !abort.signal.aborted) timer = setTimeout(run, everyMs);
    };
    void run();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [question, everyMs, round]);
  const isOwn = state.question === question;
  const data = isOwn && state.data !== undefined ? state.data : (known.get(question) as T | undefined);
  const problem = isOwn ? state.problem : undefined;
  return { data, problem, isLoading: data === undefined && problem === undefined };
}
