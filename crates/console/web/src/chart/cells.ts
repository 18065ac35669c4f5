// What stands in the cells of a heat map: usage by time and by thing, several points of time in a column where there
// are many.

import { total, type Row, type Sums } from "../api/usage.ts";
import { points, step, type Range } from "../state/range.ts";

export const MEASURES = ["rate", "errors", "latency", "cost"] as const;
export type Measure = (typeof MEASURES)[number];

export interface Cell extends Sums {
  from: number;
  until: number;
  /** The slowest p95 of its points. */
  p95: number | undefined;
  /** Requests whose client was given an error. */
  wrong: number;
}

export interface Line {
  of: string | null;
  cells: Cell[];
  sums: Sums;
}

/** How many points of a range make a column, so that there are `most` columns at most. */
export function grouping(range: Range, most: number): number {
  return Math.max(1, Math.ceil(points(range).length / most));
}

/** Lines by what they are of, those with the most requests first; what is beyond `most` is left to the log. */
export function cells(rows: readonly Row[], statuses: readonly Row[], range: Range, group: number): Line[] {
  const size = step(range.interval) * group;
  const columns = Math.ceil((range.until - range.from) / size);
  const column = (at: number): number => Math.floor((at - range.from) / size);
  const things = [...new Set(rows.map((row) => row.of))];
  const lines = things.map((of) => {
    const own = Array.from({ length: columns }, (): Row[] => []);
    const mine = rows.filter((row) => row.of === of);
    for (const row of mine) own[column(row.at)]?.push(row);
    const wrong = new Array<number>(columns).fill(0);
    for (const row of statuses) {
      const place = column(row.at);
      if (row.of === of && Number(row.andOf ?? 0) >= 400 && place in wrong) wrong[place] = (wrong[place] ?? 0) + row.requests;
    }
    return { of, sums: total(mine), cells: own.map((group, index) => cell(group, range, size, index, wrong[index] ?? 0)) };
  });
  return lines.sort((a, b) => b.sums.requests - a.sums.requests || (a.of ?? "").localeCompare(b.of ?? ""));
}

function cell(rows: Row[], range: Range, size: number, index: number, wrong: number): Cell {
  const from = range.from + index * size;
  const slowest = rows.flatMap((row) => (row.latency ? [row.latency.p95_ms] : []));
  return { ...total(rows), from, until: Math.min(from + size, range.until), p95: slowest.length > 0 ? Math.max(...slowest) : undefined, wrong };
}

/** What a cell's colour says; `undefined` where nothing was asked. */
export function valueOf(cell: Cell, measure: Measure): number | undefined {
  if (cell.requests === 0 && cell.attempts === 0) return undefined;
  switch (measure) {
    case "rate":
      return (cell.requests * 60) / (cell.until - cell.from);
    case "errors":
      return cell.requests === 0 ? undefined : cell.wrong / cell.requests;
    case "latency":
      return cell.p95;
    case "cost":
      return Number(cell.charged);
  }
}

/** From 0 to 1; small values among large ones are still told apart. */
export function heat(value: number, most: number): number {
  return most <= 0 ? 0 : Math.sqrt(Math.min(1, value / most));
}
