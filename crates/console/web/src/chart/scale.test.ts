import assert from "node:assert/strict";
import { test } from "node:test";
import { labelled, stacked, ticks } from "./scale.ts";

test("an axis goes from nothing to beyond the most in round steps", () => {
  const cases: [number, number[]][] = [
    [0, [0, 1]],
    [1, [0, 0.25, 0.5, 0.75, 1]],
    [7, [0, 2, 4, 6, 8]],
    [100, [0, 25, 50, 75, 100]],
    [1_000_000_001, [0, 500_000_000, 1_000_000_000, 1_500_000_000]],
  ];
  for (const [most, expected] of cases) assert.deepEqual(ticks(most, 4), expected, String(most));
});

test("labels do not touch", () => {
  assert.deepEqual(labelled(24, 480, 80), [0, 4, 8, 12, 16, 20]);
  assert.deepEqual(labelled(3, 20, 80), [0]);
});

test("series stand on each other", () => {
  assert.deepEqual(stacked([[1, 2], [3]], 2), [
    [[0, 1], [0, 2]],
    [[1, 4], [2, 2]],
  ]);
});
