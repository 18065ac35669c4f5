// How long a budget lasts, if what is left of its window goes as what is over.

import { DAY, HOUR } from "../state/range.ts";

/** The time a budget is for, in Unix seconds; `until` not included. */
export interface Window {
  from: number;
  until: number;
}

/** How its use is looked at: by the day where it is of whole UTC days, else by the hour, so that every calendar fits. */
export function stepOf({ from, until }: Window): number {
  return until - from > DAY && from % DAY === 0 && until % DAY === 0 ? DAY : HOUR;
}

/** When the steps of a window begin. Where its calendar begins within an hour, that hour is the first. */
export function stepsOf(window: Window): number[] {
  const step = stepOf(window);
  const from = Math.floor(window.from / step) * step;
  return Array.from({ length: Math.ceil((window.until - from) / step) }, (_, index) => from + index * step);
}

export interface Forecast {
  /** What will be spent at the window's end. */
  spent: number;
  /** When nothing is left; `undefined`: not within the window. */
  emptyAt: number | undefined;
}

/** Too little of a window tells nothing. */
const LEAST = 0.02;

/** In whatever unit the amounts are; they are rounded to what a double holds. */
export function forecast(limit: number, spent: number, window: Window, now: number): Forecast | undefined {
  const passed = (now - window.from) / (window.until - window.from);
  if (passed < LEAST) return undefined;
  const pace = spent / (now - window.from);
  const emptyAt = pace > 0 ? now + Math.max(0, limit - spent) / pace : Number.POSITIVE_INFINITY;
  return { spent: pace * (window.until - window.from), emptyAt: emptyAt < window.until ? emptyAt : undefined };
}
