// The time everything on a page is about. It stands in the URL: `range=24h`, or `from` and `until` in Unix seconds.

export const MINUTE = 60;
export const HOUR = 3600;
export const DAY = 86_400;

/** The length of time of a point in a chart. */
export type Interval = "minute" | "hour" | "day";

/** A time in Unix seconds, `until` not included, whole intervals long. */
export interface Range {
  from: number;
  until: number;
  interval: Interval;
  /** The word in the URL; none where somebody named both ends. */
  preset: Preset | undefined;
}

export const PRESETS = ["1h", "6h", "24h", "7d", "30d", "90d"] as const;
export type Preset = (typeof PRESETS)[number];

const USUAL: Preset = "24h";
/** The longest times that are told by the minute, by the hour and at all: no finer than is seen in a chart. */
const BY_MINUTE_MAX = 6 * HOUR;
const BY_HOUR_MAX = 3 * DAY;
const LONGEST = 399 * DAY;

const LENGTHS: Record<Preset, number> = {
  "1h": HOUR,
  "6h": 6 * HOUR,
  "24h": DAY,
  "7d": 7 * DAY,
  "30d": 30 * DAY,
  "90d": 90 * DAY,
};

const STEPS: Record<Interval, number> = { minute: MINUTE, hour: HOUR, day: DAY };

export function step(interval: Interval): number {
  return STEPS[interval];
}

function intervalFor(length: number): Interval {
  if (length <= BY_MINUTE_MAX) return "minute";
  return length <= BY_HOUR_MAX ? "hour" : "day";
}

/** Reads a range from a URL's query. What makes no sense is the last day. */
export function readRange(query: URLSearchParams, now: number): Range {
  const from = Number(query.get("from") ?? Number.NaN);
  const until = Number(query.get("until") ?? Number.NaN);
  if (Number.isSafeInteger(from) && Number.isSafeInteger(until) && from >= 0 && until > from) {
    return whole(Math.max(from, until - LONGEST), until, undefined);
  }
  const named = PRESETS.find((preset) => preset === query.get("range")) ?? USUAL;
  const length = LENGTHS[named];
  const size = step(intervalFor(length));
  const end = (Math.floor(now / size) + 1) * size;
  return whole(end - length, end, named);
}

function whole(from: number, until: number, preset: Preset | undefined): Range {
  const interval = intervalFor(until - from);
  const size = step(interval);
  const start = Math.floor(from / size) * size;
  return { from: start, until: Math.max(Math.ceil(until / size) * size, start + size), interval, preset };
}

/** The time of the same length right before. */
export function before(range: Range): Range {
  const length = range.until - range.from;
  return { ...range, from: range.from - length, until: range.from };
}

/** When the points of a range begin. */
export function points(range: Range): number[] {
  const size = step(range.interval);
  return Array.from({ length: (range.until - range.from) / size }, (_, index) => range.from + index * size);
}

/** What is to stand in the URL for a range. */
export function writeRange(range: { preset: Preset } | { from: number; until: number }): Record<string, string | undefined> {
  if ("preset" in range) return { range: range.preset, from: undefined, until: undefined };
  return { range: undefined, from: String(range.from), until: String(range.until) };
}

/** The last day to the end of the present hour. */
export function lastDay(): Range {
  const until = (Math.floor(Date.now() / 1000 / HOUR) + 1) * HOUR;
  return { from: until - DAY, until, interval: "hour", preset: undefined };
}
