import assert from "node:assert/strict";
import { test } from "node:test";
import { treemap } from "./treemap.ts";

test("boxes are as large as their values, fill the whole and do not overlap", () => {
  const values = [6, 6, 4, 3, 2, 2, 1];
  const boxes = treemap(values, 600, 400);
  assert.deepEqual(boxes.map(({ index }) => index), [0, 1, 2, 3, 4, 5, 6]);
  for (const { index, x, y, width, height } of boxes) {
    assert.ok(Math.abs(width * height - ((values[index] ?? 0) / 24) * 240_000) < 1e-6, String(index));
    assert.ok(x >= -1e-9 && y >= -1e-9 && x + width <= 600 + 1e-9 && y + height <= 400 + 1e-9, String(index));
    for (const other of boxes) {
      const apart = other.index === index || x + width <= other.x + 1e-6 || other.x + other.width <= x + 1e-6 || y + height <= other.y + 1e-6 || other.y + other.height <= y + 1e-6;
      assert.ok(apart, `${index} and ${other.index}`);
    }
  }
});

test("of nothing, or where there is no room, there is no box", () => {
  assert.deepEqual([treemap([], 9, 9), treemap([1], 0, 9), treemap([0], 9, 9)], [[], [], []]);
});
