import assert from "node:assert/strict";
import { test } from "node:test";
import { before, DAY, HOUR, points, readRange } from "./range.ts";

const NOW = 1_700_000_123;

test("a range is read from the URL and holds whole intervals", () => {
  const cases: [string, string, number, string | undefined][] = [
    ["", "hour", DAY, "24h"],
    ["range=1h", "minute", HOUR, "1h"],
    ["range=7d", "day", 7 * DAY, "7d"],
    ["from=1699920000&until=1700179200", "hour", 3 * DAY, undefined],
    ["range=30d", "day", 30 * DAY, "30d"],
    ["range=forever", "hour", DAY, "24h"],
    ["from=1700000000&until=1700003600", "minute", HOUR + 60, undefined],
    ["from=5&until=4", "hour", DAY, "24h"],
    ["from=x&until=1e9", "hour", DAY, "24h"],
    ["from=0&until=1700000000", "day", 400 * DAY, undefined],
  ];
  for (const [query, interval, length, preset] of cases) {
    const range = readRange(new URLSearchParams(query), NOW);
    assert.deepEqual([range.interval, range.until - range.from, range.preset], [interval, length, preset], query);
  }
});

test("a named range ends with the interval that is not over yet", () => {
  const range = readRange(new URLSearchParams("range=1h"), NOW);
  assert.equal(range.until, 1_700_000_160);
  assert.ok(range.until > NOW);
});

test("the time before ends where the range begins and is as long", () => {
  const range = readRange(new URLSearchParams("range=24h"), NOW);
  const earlier = before(range);
  assert.deepEqual([earlier.until, earlier.until - earlier.from], [range.from, DAY]);
});

test("a range has a point for each interval", () => {
  const range = readRange(new URLSearchParams("range=24h"), NOW);
  const all = points(range);
  assert.deepEqual([all.length, all[0], all.at(-1)], [24, range.from, range.until - HOUR]);
});
