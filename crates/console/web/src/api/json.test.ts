import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "./json.ts";

test("an amount keeps every digit", () => {
  assert.deepEqual(parse('{"charged_nano_usd":9007199254740993,"a":[{"nano_usd": -1 }],"n":2}'), {
    charged_nano_usd: "9007199254740993",
    a: [{ nano_usd: "-1" }],
    n: 2,
  });
});

test("a text that looks like an amount stays as it is", () => {
  const hostile = { name: '"charged_nano_usd":1,', other: '{"nano_usd":2}', nano_usd: null };
  assert.deepEqual(parse(JSON.stringify(hostile)), hostile);
});
