import assert from "node:assert/strict";
import { test } from "node:test";
import type { Row } from "../api/usage.ts";
import { cells, grouping, heat, valueOf } from "./cells.ts";

const RANGE = { from: 600, until: 840, interval: "minute", preset: undefined } as const;

function row(at: number, of: string, more: Partial<Row> = {}): Row {
  return { at, of, andOf: null, requests: 1, attempts: 1, failed: 0, repeated: 0, unpriced: 0, tokens: 0, prompt: 0, completion: 0, charged: 5n, absorbed: 0n, latency: null, firstToken: null, ...more };
}

test("points stand in the column of their time, and columns of a line add up", () => {
  const latency = (p95_ms: number): Partial<Row> => ({ latency: { p50_ms: 1, p95_ms, p99_ms: 9 } });
  const rows = [row(600, "a", latency(4)), row(660, "a", latency(7)), row(780, "a"), row(720, "b", { requests: 9 })];
  const lines = cells(rows, [row(660, "a", { andOf: "502" }), row(600, "a", { andOf: "200" })], RANGE, 2);
  assert.deepEqual(lines.map((line) => [line.of, line.sums.requests]), [["b", 9], ["a", 3]]);
  const [first, second] = lines[1]?.cells ?? [];
  assert.ok(first && second);
  assert.deepEqual([first.from, first.until, first.requests, first.p95, first.wrong, first.charged], [600, 720, 2, 7, 1, 10n]);
  assert.deepEqual([valueOf(first, "rate"), valueOf(first, "errors"), valueOf(first, "latency"), valueOf(first, "cost")], [1, 0.5, 7, 10]);
  assert.equal(valueOf(second, "latency"), undefined);
});

test("there are no more columns than there is room for", () => {
  assert.deepEqual([240, 4, 3, 1].map((most) => grouping(RANGE, most)), [1, 1, 2, 4]);
});

test("heat is from nothing to the most", () => {
  assert.deepEqual([heat(0, 4), heat(1, 4), heat(4, 4), heat(9, 4), heat(1, 0)], [0, 0.5, 1, 1, 0]);
});
