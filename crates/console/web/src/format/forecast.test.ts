import assert from "node:assert/strict";
import { test } from "node:test";
import { DAY, HOUR } from "../state/range.ts";
import { forecast, stepOf, stepsOf } from "./forecast.ts";

const at = (text: string): number => Date.parse(`${text}Z`) / 1000;

test("a window of whole UTC days is looked at by the day, that of another calendar by the hour", () => {
  const cases: [string, string, number, number, string][] = [
    ["2026-11-29T00:00:00", "2026-11-30T00:00:00", HOUR, 24, "2026-11-29T00:00:00"],
    ["2026-11-01T00:00:00", "2026-12-01T00:00:00", DAY, 30, "2026-11-01T00:00:00"],
    // Berlin's November, and its March, in which an hour is missing
    ["2026-10-31T23:00:00", "2026-11-30T23:00:00", HOUR, 720, "2026-10-31T23:00:00"],
    ["2026-02-28T23:00:00", "2026-03-31T22:00:00", HOUR, 743, "2026-02-28T23:00:00"],
    // a day of Kolkata begins within an hour
    ["2026-11-28T18:30:00", "2026-11-29T18:30:00", HOUR, 25, "2026-11-28T18:00:00"],
  ];
  for (const [from, until, step, many, first] of cases) {
    const window = { from: at(from), until: at(until) };
    const steps = stepsOf(window);
    assert.deepEqual([stepOf(window), steps.length, steps[0]], [step, many, at(first)], from);
    assert.ok((steps.at(-1) ?? 0) < window.until, from);
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
