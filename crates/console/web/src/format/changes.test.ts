import assert from "node:assert/strict";
import { test } from "node:test";
import { changes } from "./changes.ts";

test("only members that become others are told, those within by their paths", () => {
  const before = { name: "a", limit: null, scope: { models: ["x"], addresses: [] }, gone: 1 };
  const after = { name: "a", limit: 5, scope: { models: ["x", "y"], addresses: [] }, fresh: true };
  assert.deepEqual(changes(before, after), [
    { name: "limit", before: null, after: 5 },
    { name: "scope.models", before: ["x"], after: ["x", "y"] },
    { name: "gone", before: 1, after: undefined },
    { name: "fresh", before: undefined, after: true },
  ]);
  assert.deepEqual(changes(before, before), []);
  assert.deepEqual(changes(null, { a: 1 }), [{ name: "", before: null, after: { a: 1 } }]);
});
