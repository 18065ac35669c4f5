import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, write } from "./json.ts";

test("an amount keeps every digit", () => {
  assert.deepEqual(parse('{"charged_nano_usd":9007199254740993,"a":[{"nano_usd": -1 }],"n":2,"per_nano_usd_x":3}'), {
    charged_nano_usd: "9007199254740993",
    a: [{ nano_usd: "-1" }],
    n: 2,
    per_nano_usd_x: 3,
  });
});

test("so does every other long integer, and what is no integer stays a number", () => {
  assert.deepEqual(parse('{"limit":9223372036854775807,"used" : 1000000000000000,"at":1700000000,"share":0.1234567890123456,"e":1e21}'), {
    limit: "9223372036854775807",
    used: "1000000000000000",
    at: 1_700_000_000,
    share: 0.1234567890123456,
    e: 1e21,
  });
});

test("a text that looks like an amount stays as it is", () => {
  const long = "12345678901234567890";
  const hostile = {
    name: '"charged_nano_usd":1,',
    other: '{"nano_usd":2}',
    nano_usd: null,
    colon: `:${long},`,
    "\\": `":${long},"`,
    [`":${long},`]: 5,
    quote: '\\"limit\\":1,',
  };
  assert.deepEqual(parse(JSON.stringify(hostile)), hostile);
});

test("what is written is JSON, with every digit of a long integer", () => {
  assert.equal(write({ limit: 9_223_372_036_854_775_807n, name: 'a "b"', gone: undefined, list: [1n, null, { a: true }] }), '{"limit":9223372036854775807,"name":"a \\"b\\"","list":[1,null,{"a":true}]}');
  assert.deepEqual(JSON.parse(write([0.5, "x", []])), [0.5, "x", []]);
});
