// JSON of the administration. Amounts are integers beyond what a double holds, so they are kept as their digits.

/** An integer: its digits where a double could not hold it. `BigInt` takes either. */
export type Whole = number | string;

/** A text, and the integer after it where it is the name of one. Whatever stands in a text is read with the text. */
const TEXTS = /("(?:[^"\\]|\\.)*")(?:(\s*:\s*)(-?\d+)(?=\s*[,}\]]))?/g;

/** Digits that a double surely holds. */
const SAFE_DIGITS = 15;

/** Parses `text`; the value of a member whose name ends with `nano_usd`, and a long integer, is its digits as a text. */
export function parse(text: string): unknown {
  const exact = (all: string, name: string, colon?: string, digits?: string): string => {
    if (digits === undefined || (digits.length <= SAFE_DIGITS && !/(?:^"|_)nano_usd"$/.test(name))) return all;
    return `${name}${colon}"${digits}"`;
  };
  return JSON.parse(text.replace(TEXTS, exact));
}

/** The text of a value in which integers may be `bigint`. */
export function write(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(write).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).filter(([, of]) => of !== undefined);
  return `{${members.map(([name, of]) => `${JSON.stringify(name)}:${write(of)}`).join()}}`;
}
