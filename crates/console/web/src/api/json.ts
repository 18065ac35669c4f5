// JSON of the administration. Amounts are integers beyond what a double holds, so they are kept as their digits.

/**
 * A text cannot be taken for such a member: a quotation mark inside one has a backslash before it, so that `":` right
 * after the name ends a name and nothing else.
 */
const AMOUNT = /("(?:[a-z_]*_)?nano_usd"\s*:\s*)(-?\d+)(?=\s*[,}\]])/g;

/** Parses `text`; the value of every member whose name ends with `nano_usd` is its digits as a text. */
export function parse(text: string): unknown {
  return JSON.parse(text.replace(AMOUNT, '$1"$2"'));
}
