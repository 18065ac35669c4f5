// How long a budget lasts, if what is left of its window goes as what is over.

import { DAY } from "../state/range.ts";

/** The time a budget is for, in Unix seconds; `until` not included. */
export interface Window {
  from: number;
  until: number;
}

/** The day, week (from Monday) or month of the UTC calendar that `now` is in; none of what has no such time. */
export function windowOf(word: string, now: number): Window | undefined {
  const today = Math.floor(now / DAY) * DAY;
  if (word === "day") return { from: today, until: today + DAY };
  if (word === "week") {
    const from = today - ((Math.floor(today / DAY) + 3) % 7) * DAY;
    return { from, until: from + 7 * DAY };
  }
  if (word !== "month") return undefined;
  const date = new Date(now * 1000);
  const month = (more: number): number => Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + more, 1) / 1000;
  return { from: month(0), until: month(1) };
}

export interface Forecast {
  /** What will be spent at the window's end. */
  spent: number;
  /** When nothing is left; `undefined`: not within the window. */
  emptyAt: number | undefined;
}

/** Too little of a window tells nothing. */
const LEAST = 0.02;

export function forecast(limit: number, spent: number, window: Window, now: number): Forecast | undefined {
  const passed = (now - window.from) / (window.until - window.from);
  if (passed < LEAST) return undefined;
  const pace = spent / (now - window.from);
  const emptyAt = pace > 0 ? now + Math.max(0, limit - spent) / pace : Number.POSITIVE_INFINITY;
  return { spent: pace * (window.until - window.from), emptyAt: emptyAt < window.until ? emptyAt : undefined };
}
