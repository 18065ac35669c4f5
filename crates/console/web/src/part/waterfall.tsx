// A request on a line of time: what came before each attempt, how long its first token took, and the rest of it.

import type { JSX } from "preact";
import { arrivalOf, durationOf, type Attempt, type Request } from "../api/requests.ts";
import { ticks } from "../chart/scale.ts";
import { milliseconds } from "../format/number.ts";
import { ended, t } from "../text/text.ts";

/** Between these, in milliseconds since its arrival, something was done. */
interface Stretch {
  kind: "before" | "waiting" | "answering" | "failed";
  from: number;
  until: number;
}

function stretches(of: Attempt, arrival: number, previous: number): Stretch[] {
  const begin = of.started_at_ms - arrival;
  const end = begin + of.duration_us / 1000;
  const first = of.first_token_us === null ? undefined : begin + of.first_token_us / 1000;
  const before: Stretch = { kind: "before", from: Math.min(previous, begin), until: begin };
  if (first === undefined) return [before, { kind: of.status < 400 ? "answering" : "failed", from: begin, until: end }];
  return [before, { kind: "waiting", from: begin, until: first }, { kind: "answering", from: first, until: end }];
}

export function Waterfall({ of }: { of: Request }): JSX.Element {
  const arrival = arrivalOf(of.attempts);
  const whole = Math.max(durationOf(of), 0.001);
  let previous = 0;
  const rows = of.attempts.map((attempt) => {
    const all = stretches(attempt, arrival, previous);
    previous = Math.max(previous, all.at(-1)?.until ?? 0);
    return { attempt, all: all.filter((one) => one.until > one.from) };
  });
  const kinds = new Set(rows.flatMap(({ all }) => all.map(({ kind }) => kind)));
  const place = ({ from, until }: Stretch): { left: string; width: string } => ({ left: `${(from / whole) * 100}%`, width: `${((until - from) / whole) * 100}%` });
  return (
    <div class="waterfall">
      <ol>
        {rows.map(({ attempt, all }) => (
          <li key={attempt.id}>
            <p class="waterfall-name">
              <span>
                {attempt.number}. {attempt.provider} · {attempt.model}
              </span>
              <span class="note">{ended(attempt.outcome)}</span>
            </p>
            <div class="waterfall-line" role="img" aria-label={all.map((one) => `${t(`stretch.${one.kind}`)} ${milliseconds(one.until - one.from)}`).join(", ")}>
              {all.map((one) => (
                <span key={one.kind} class={`stretch is-${one.kind}`} style={place(one)} title={`${t(`stretch.${one.kind}`)} ${milliseconds(one.until - one.from)}`} />
              ))}
            </div>
          </li>
        ))}
      </ol>
      <div class="waterfall-axis" aria-hidden="true">
        {ticks(whole, 4)
          .filter((mark) => mark <= whole)
          .map((mark) => (
            <span key={mark} style={{ left: `${(mark / whole) * 100}%` }}>
              {milliseconds(mark)}
            </span>
          ))}
      </div>
      <ul class="legend">
        {[...kinds].map((kind) => (
          <li key={kind}>
            <span class={`swatch is-${kind}`} />
            {t(`stretch.${kind}`)}
          </li>
        ))}
      </ul>
    </div>
  );
}
