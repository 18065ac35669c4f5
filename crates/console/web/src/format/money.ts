// Money is whole nano-USD, as the administration tells it. It is counted as `bigint` and written to the last digit.

const NANO = 1_000_000_000n;
const NANO_DIGITS = 9;
const CENT_DIGITS = 2;

/** An amount apart: what is read first, and the digits behind the cents. */
export interface Dollars {
  head: string;
  tail: string;
}

/** `nano` as dollars, exact, the digits behind the cents apart and without zeros at their end. */
export function dollars(nano: bigint, locale: string): Dollars {
  const sign = nano < 0n ? "-" : "";
  const size = nano < 0n ? -nano : nano;
  const whole = (size / NANO).toLocaleString(locale);
  const part = (size % NANO).toString().padStart(NANO_DIGITS, "0");
  return {
    head: `${sign}$${whole}.${part.slice(0, CENT_DIGITS)}`,
    tail: part.slice(CENT_DIGITS).replace(/0+$/, ""),
  };
}

/** `nano` as dollars in one text, exact. */
export function usd(nano: bigint, locale: string): string {
  const { head, tail } = dollars(nano, locale);
  return head + tail;
}

/** About so much, for axes: three digits that count. */
export function roughly(nano: number, locale: string): string {
  const value = nano / Number(NANO);
  const size = Math.abs(value);
  if (size >= 10_000) return `$${value.toLocaleString(locale, { maximumSignificantDigits: 3, notation: "compact" })}`;
  if (size === 0 || size >= 1) return `$${value.toLocaleString(locale, { minimumFractionDigits: size === 0 ? 0 : 2, maximumFractionDigits: 2 })}`;
  return `$${value.toLocaleString(locale, { maximumSignificantDigits: 3, minimumFractionDigits: size >= 0.01 ? 2 : 0 })}`;
}

/** The share of `part` in `whole` in per mille, rounded; 0 where there is nothing. */
export function perMille(part: bigint, whole: bigint): number {
  return whole === 0n ? 0 : Number((part * 2000n + whole) / (whole * 2n));
}

/** Dollars as somebody writes them, as nano-USD; `undefined` where it is no amount or finer than a nano-dollar. */
export function parseUsd(text: string): bigint | undefined {
  const found = /^\s*\$?\s*(\d{1,9})(?:\.(\d{1,9}))?\s*$/.exec(text);
  if (!found?.[1]) return undefined;
  return BigInt(found[1]) * NANO + BigInt((found[2] ?? "").padEnd(NANO_DIGITS, "0"));
}

/** Millionths of a nano-dollar as dollars, exact. */
export function fine(exact: bigint, locale: string): string {
  const [nano, rest] = [exact / 1_000_000n, exact % 1_000_000n];
  if (rest === 0n) return usd(nano, locale);
  const { head, tail } = dollars(nano, locale);
  return head + tail.padEnd(NANO_DIGITS - CENT_DIGITS, "0") + rest.toString().padStart(6, "0").replace(/0+$/, "");
}
