import assert from "node:assert/strict";
import { test } from "node:test";
import { fullness, shareOf, type Level } from "../api/quotas.ts";
import { boundOf, standingOf } from "./standing.ts";

const LEVEL: Level = {
  kind: "quota", quota_id: "q", name: "a", subject: "key", subject_value: "k", measure: "requests", window: "day", mode: "hard",
  limit: 10, used: 8, reserved: 0, begins_at: null, ends_at: null,
};

test("a share is told to a hundredth of a percent of amounts of any length", () => {
  assert.equal(shareOf("9223372036854775806", { limit: "9223372036854775807" }), 0.9999);
  assert.equal(shareOf(1, { limit: 8 }), 0.125);
  assert.equal(shareOf(0, { limit: 0 }), 1);
  assert.equal(fullness({ limit: 10, used: 8, reserved: 2 }), 1);
});

test("the worst of what bounds a key, its parent and its team says how it stands", () => {
  const throttle: Level = { ...LEVEL, kind: "throttle", used: 0 };
  const over: Level = { ...LEVEL, subject: "team", subject_value: "t", used: 11 };
  assert.deepEqual([LEVEL, throttle, over].map(standingOf), ["near", "throttled", "over"]);
  const all = new Map([["k", [LEVEL, throttle]], ["t", [over]]]);
  const of = (id: string, parent_id: string | null, team_id: string | null) => boundOf({ id, parent_id, team_id }, all);
  assert.deepEqual(of("k", null, null), { standing: "throttled", by: [throttle, LEVEL] });
  assert.deepEqual(of("s", "k", "t"), { standing: "over", by: [over, throttle, LEVEL] });
  assert.deepEqual(of("x", null, "t")?.standing, "over");
  assert.equal(of("x", null, null), undefined);
});
