// What happens on one side of the playground: a conversation, and the answer that is under way.

import { useRef, useState } from "preact/hooks";
import { chat, costOf, NOTHING, type Answer, type Message, type Wish } from "../api/chat.ts";
import { ownKey } from "./own-key.ts";

export interface Turn {
  asked: string;
  answer: Answer;
  problem: unknown;
}

export interface Side {
  turns: Turn[];
  isBusy: boolean;
  send: (asked: string, wish: Omit<Wish, "messages">, system: string) => void;
  stop: () => void;
  clear: () => void;
}

/** What was said so far, as the next question needs it. */
function messages(turns: readonly Turn[], system: string, asked: string): Message[] {
  const said = turns
    .filter(({ problem }) => problem === undefined)
    .flatMap(({ asked, answer }): Message[] => [
      { role: "user", content: asked },
      { role: "assistant", content: answer.text || "…" },
    ]);
  return [...(system.trim() === "" ? [] : [{ role: "system", content: system } as const]), ...said, { role: "user", content: asked }];
}

export function useSide(): Side {
  const [turns, setTurns] = useState<Turn[]>([]);
  const [isBusy, setBusy] = useState(false);
  const abort = useRef<AbortController | undefined>(undefined);
  const last = (change: Partial<Turn>): void => setTurns((all) => all.map((turn, index) => (index === all.length - 1 ? { ...turn, ...change } : turn)));
  const run = async (asked: string, wish: Omit<Wish, "messages">, system: string): Promise<void> => {
    const own = new AbortController();
    abort.current = own;
    const key = ownKey.value;
    setBusy(true);
    setTurns((all) => [...all, { asked, answer: NOTHING, problem: undefined }]);
    try {
      const answer = await chat({ ...wish, messages: messages(turns, system, asked) }, key, own.signal, (answer) => last({ answer }));
      setBusy(false);
      if (answer.requestId === undefined) return;
      const cost = await costOf(answer.requestId, key, own.signal);
      if (!own.signal.aborted) last({ answer: { ...answer, cost } });
    } catch (problem) {
      if (!own.signal.aborted) last({ problem });
    } finally {
      setBusy(false);
    }
  };
  const stop = (): void => abort.current?.abort();
  return {
    turns,
    isBusy,
    send: (asked, wish, system) => void run(asked, wish, system),
    stop,
    clear: () => (stop(), setTurns([])),
  };
}
