import assert from "node:assert/strict";
import { test } from "node:test";
import { DAY } from "../state/range.ts";
import { forecast, windowOf } from "./forecast.ts";

const at = (text: string): number => Date.parse(`${text}Z`) / 1000;

test("a budget's window is the calendar's", () => {
  const cases: [string, string, string | undefined, string | undefined][] = [
    ["day", "2026-11-29T05:00:00", "2026-11-29T00:00:00", "2026-11-30T00:00:00"],
    ["week", "2026-11-29T05:00:00", "2026-11-23T00:00:00", "2026-11-30T00:00:00"],
    ["week", "2026-11-30T00:00:00", "2026-11-30T00:00:00", "2026-12-07T00:00:00"],
    ["month", "2026-12-31T23:00:00", "2026-12-01T00:00:00", "2027-01-01T00:00:00"],
    ["total", "2026-11-29T05:00:00", undefined, undefined],
  ];
  for (const [word, now, from, until] of cases) {
    assert.deepEqual(windowOf(word, at(now)), from && until ? { from: at(from), until: at(until) } : undefined, word);
  }
});

test("what is left goes as what is over", () => {
  const window = { from: 0, until: 10 * DAY };
  assert.deepEqual(forecast(100, 20, window, 4 * DAY), { spent: 50, emptyAt: undefined });
  assert.deepEqual(forecast(100, 80, window, 4 * DAY), { spent: 200, emptyAt: 5 * DAY });
  assert.deepEqual(forecast(100, 120, window, 5 * DAY), { spent: 240, emptyAt: 5 * DAY });
  assert.deepEqual(forecast(100, 0, window, 5 * DAY), { spent: 0, emptyAt: undefined });
  assert.equal(forecast(100, 1, window, 60), undefined);
});
