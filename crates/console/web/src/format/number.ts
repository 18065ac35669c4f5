// Numbers and times as people read them, in their language.

import { locale } from "../state/preferences.ts";

function tag(): string {
  return locale.value === "zh" ? "zh-CN" : "en-US";
}

export function language(): string {
  return tag();
}

export function count(value: number | bigint): string {
  return value.toLocaleString(tag());
}

/** At most four places, such as `12.3K`. */
export function short(value: number): string {
  if (Math.abs(value) < 10_000) return value.toLocaleString(tag(), { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
  return value.toLocaleString(tag(), { notation: "compact", maximumSignificantDigits: 3 });
}

export function percent(share: number): string {
  return share.toLocaleString(tag(), { style: "percent", maximumFractionDigits: share !== 0 && Math.abs(share) < 0.1 ? 2 : 1 });
}

/** A length of time; a dash where nobody knows it. */
export function milliseconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value < 1000) return `${value.toLocaleString(tag(), { maximumFractionDigits: value < 10 ? 1 : 0 })} ms`;
  return `${(value / 1000).toLocaleString(tag(), { maximumFractionDigits: value < 10_000 ? 2 : 1 })} s`;
}

export function dateTime(at: number): string {
  return new Date(at * 1000).toLocaleString(tag(), { dateStyle: "medium", timeStyle: "medium" });
}

/** A moment in a list: the time of today, else with its date. */
export function time(at: number): string {
  const [date, today] = [new Date(at * 1000), new Date()];
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false } as const;
  if (date.toDateString() === today.toDateString()) return date.toLocaleTimeString(tag(), clock);
  return date.toLocaleString(tag(), { month: "short", day: "numeric", ...clock });
}

/** A moment on an axis: the time of day, or the date where points are days. */
export function moment(at: number, step: number): string {
  const date = new Date(at * 1000);
  if (step >= 86_400) return date.toLocaleDateString(tag(), { month: "short", day: "numeric", timeZone: "UTC" });
  return date.toLocaleTimeString(tag(), { hour: "2-digit", minute: "2-digit", hour12: false });
}

/** The same with the date, in full. */
export function momentFull(at: number, step: number): string {
  const date = new Date(at * 1000);
  if (step >= 86_400) return date.toLocaleDateString(tag(), { dateStyle: "medium", timeZone: "UTC" });
  return date.toLocaleString(tag(), { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });
}

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** How long ago, or until when. */
export function ago(at: number, now = Date.now() / 1000): string {
  const seconds = at - now;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return new Intl.RelativeTimeFormat(tag(), { numeric: "auto", style: "short" }).format(Math.round(seconds / size), unit);
}

export function bytes(value: number): string {
  const power = value < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(value) / 10));
  const unit = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"][power] ?? "byte";
  return (value / 1024 ** power).toLocaleString(tag(), { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 });
}
