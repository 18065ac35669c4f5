import assert from "node:assert/strict";
import { test } from "node:test";
import type { Route } from "../api/types.ts";
import { split, weightOf } from "./split.ts";

const route = (id: string, weight: number | null, tier = 0, is_active = true): Route => ({ id, provider_id: id, weight, tier, is_active }) as Route;

test("requests are split by weight among the lowest tier, and nobody else gets any", () => {
  const weights = new Map([["a", 40]]);
  const shares = (routes: Route[]): number[] => split(routes, (one) => weightOf(one, weights)).map(({ share }) => share);
  assert.deepEqual(shares([route("a", null), route("b", 60)]), [0.4, 0.6]);
  assert.deepEqual(shares([route("a", 10), route("b", 0), route("c", 30)]), [0.25, 0, 0.75]);
  assert.deepEqual(shares([route("a", 1, 1), route("b", 1, 0), route("c", 1, 0, false)]), [0, 1, 0]);
  assert.deepEqual(shares([route("a", 0, 0), route("b", 1, 1)]), [0, 1]);
  assert.deepEqual(shares([route("a", 0)]), [0]);
});
