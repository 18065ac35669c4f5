// What was seen beside what is usual: the range of the normal, what was expected, and where it went beyond.

import type { JSX } from "preact";
import { short } from "../format/number.ts";
import { t } from "../text/text.ts";

interface Seen {
  measure: string;
  observed: number;
  expected: number;
  bound: number;
}

/** Evidence of usage, where it is that. */
export function seenIn(evidence: unknown): Seen | undefined {
  const told = evidence as Partial<Record<keyof Seen, unknown>> | null;
  const isSeen = typeof told?.observed === "number" && typeof told.expected === "number" && typeof told.bound === "number" && typeof told.measure === "string";
  return isSeen ? (told as Seen) : undefined;
}

export function NormalRange({ of }: { of: Seen }): JSX.Element {
  const most = Math.max(of.observed, of.bound, of.expected) * 1.08 || 1;
  const at = (value: number): string => `${((value / most) * 100).toFixed(1)}%`;
  return (
    <figure class="normal">
      <div class="normal-line" role="img" aria-label={t("normal.label", { measure: of.measure, observed: short(of.observed), expected: short(of.expected), bound: short(of.bound) })}>
        <span class="normal-range" style={{ width: at(of.bound) }} />
        <span class="normal-mark is-expected" style={{ left: at(of.expected) }} />
        <span class="normal-mark is-observed" style={{ left: at(of.observed) }} />
      </div>
      <figcaption class="note">
        {of.measure}: <b class="strong">{short(of.observed)}</b> · {t("normal.expected", { n: short(of.expected) })} · {t("normal.bound", { n: short(of.bound) })}
      </figcaption>
    </figure>
  );
}
