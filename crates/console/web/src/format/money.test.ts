import assert from "node:assert/strict";
import { test } from "node:test";
import { fine, parseUsd, perMille, roughly, usd } from "./money.ts";

test("an amount is written to the last nano-dollar", () => {
  const cases: [bigint, string][] = [
    [0n, "$0.00"],
    [1n, "$0.000000001"],
    [10_000_000n, "$0.01"],
    [12_345_678n, "$0.012345678"],
    [1_500_000_000n, "$1.50"],
    [1_234_567_000_000_000n, "$1,234,567.00"],
    [9_007_199_254_740_993n, "$9,007,199.254740993"],
    [18_446_744_073_709_551_615n, "$18,446,744,073.709551615"],
    [-1_500_000_001n, "-$1.500000001"],
  ];
  for (const [nano, text] of cases) assert.equal(usd(nano, "en"), text);
});

test("an axis tells about how much", () => {
  assert.equal(roughly(1_234_567_890, "en"), "$1.23");
  assert.equal(roughly(0, "en"), "$0");
  assert.equal(roughly(12_345_000_000_000, "en"), "$12.3K");
  assert.equal(roughly(1_200, "en"), "$0.0000012");
});

test("a share is rounded to the nearest per mille", () => {
  const cases: [bigint, bigint, number][] = [
    [0n, 0n, 0],
    [1n, 3n, 333],
    [2n, 3n, 667],
    [5n, 5n, 1000],
  ];
  for (const [part, whole, share] of cases) assert.equal(perMille(part, whole), share);
});

test("an amount is read as it is written, and nothing finer", () => {
  const cases: [string, bigint | undefined][] = [
    ["10", 10_000_000_000n],
    [" $0.5 ", 500_000_000n],
    ["0.000000001", 1n],
    ["0.0000000001", undefined],
    ["-1", undefined],
    ["1,000", undefined],
    ["", undefined],
  ];
  for (const [text, nano] of cases) assert.equal(parseUsd(text), nano, text);
});

test("a part of a nano-dollar is written too", () => {
  const cases: [bigint, string][] = [
    [0n, "$0.00"],
    [2_500_000_001n, "$0.000002500000001"],
    [1_000_000n, "$0.000000001"],
    [10_000_000_500_000n, "$0.0100000005"],
    [1_500_000_000_000_001n, "$1.500000000000001"],
  ];
  for (const [exact, text] of cases) assert.equal(fine(exact, "en"), text);
});
