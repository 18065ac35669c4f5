// How the providers' models are, once a second, and the last two minutes of it. One stream for all who look.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { follow } from "../api/events.ts";
import { Problem } from "../api/http.ts";
import type { Health } from "../api/types.ts";

/** What is kept of one second. */
export interface Sample {
  at: number;
  inFlight: number;
  /** Requests in the minute before. */
  perMinute: number;
  failedPerMinute: number;
}

const SAMPLES = 120;
const SECONDS = 3600;
const TRY_AGAIN_MS = 2000;

export const health = signal<Health | undefined>(undefined);
export const samples = signal<Sample[]>([]);
export const isPaused = signal(false);
/** Requests in the minute before, of each target, as `samples`. */
export const trends = signal<ReadonlyMap<string, number[]>>(new Map());

/** Names a target. */
export function targetKey({ provider, real_name, region }: Health["targets"][number]): string {
  return JSON.stringify([provider, real_name, region]);
}

let lookers = 0;
let stop: AbortController | undefined;

function take(now: Health): void {
  if (isPaused.value) return;
  health.value = now;
  const sum = (of: (target: Health["targets"][number]) => number): number =>
    now.targets.reduce((total, target) => total + of(target), 0);
  const failed = (span: Health["targets"][number]["last_minute"]): number =>
    Object.values(span.failed).reduce((total, count) => total + count, 0);
  const sample = {
    at: Date.now() / 1000,
    inFlight: sum((target) => target.in_flight),
    perMinute: sum((target) => target.last_minute.requests),
    failedPerMinute: sum((target) => failed(target.last_minute)),
  };
  samples.value = [...samples.value, sample].slice(-SAMPLES);
  // what is no target any more goes
  trends.value = new Map(
    now.targets.map((target) => {
      const key = targetKey(target);
      return [key, [...(trends.value.get(key) ?? []), target.last_minute.requests].slice(-SAMPLES)];
    }),
  );
}

async function run(abort: AbortController): Promise<void> {
  while (!abort.signal.aborted) {
    try {
      await follow<Health>("/health/providers/stream", { seconds: SECONDS }, abort.signal, take);
    } catch (error) {
      // whoever may not look does not ask again: each time is written into the audit trail
      if (error instanceof Problem && error.status === 403) return;
    }
    if (!abort.signal.aborted) await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
  }
}

/** Keeps the stream open while a component is there. */
export function useLive(): void {
  useEffect(() => {
    lookers += 1;
    if (!stop) {
      stop = new AbortController();
      void run(stop);
    }
    return () => {
      lookers -= 1;
      if (lookers === 0) {
        stop?.abort();
        stop = undefined;
      }
    };
  }, []);
}

/** Forgets what was seen: somebody else may come now. */
export function forgetLive(): void {
  health.value = undefined;
  samples.value = [];
  trends.value = new Map();
}
