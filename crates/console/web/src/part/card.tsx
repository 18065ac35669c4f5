// The pieces pages are put together of.

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { Problem } from "../api/http.ts";
import { dollars } from "../format/money.ts";
import { language } from "../format/number.ts";
import { t } from "../text/text.ts";
import { Icon } from "./icon.tsx";

export function Card({ title, note, actions, children, className = "" }: {
  title?: string;
  note?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
  className?: string;
}): JSX.Element {
  return (
    <section class={`card ${className}`}>
      {title !== undefined && (
        <header class="card-head">
          <div>
            <h2>{title}</h2>
            {note !== undefined && <p class="note">{note}</p>}
          </div>
          {actions}
        </header>
      )}
      {children}
    </section>
  );
}

/** An amount to the last digit; what is finer than a cent stands back. */
export function Money({ nano }: { nano: bigint }): JSX.Element {
  const { head, tail } = dollars(nano, language());
  return (
    <span class="money">
      {head}
      {tail && <span class="money-tail">{tail}</span>}
    </span>
  );
}

/** What is said while there is nothing to show, or why there never will be. */
export function Waiting({ of }: { of: { problem: Problem | undefined; isLoading: boolean } }): JSX.Element | null {
  if (of.problem) return <Trouble problem={of.problem} />;
  if (of.isLoading) return <div class="skeleton" role="status" aria-label={t("loading")} />;
  return null;
}

export function why(problem: unknown): string {
  if (!(problem instanceof Problem)) return t("problem.unknown");
  if (problem.status === 0) return t("problem.unreachable");
  if (problem.status === 403) return t("problem.forbidden");
  const flaws = problem.flaws.map(({ pointer, detail }) => `${pointer.replace(/^\//, "")} ${detail}`).join("; ");
  return flaws || problem.message || t("problem.status", { status: problem.status });
}

export function Trouble({ problem }: { problem: unknown }): JSX.Element {
  return (
    <p class="trouble" role="alert">
      <Icon name="anomalies" />
      <span>{why(problem)}</span>
    </p>
  );
}

export function Empty({ children }: { children: ComponentChildren }): JSX.Element {
  return <p class="empty">{children}</p>;
}

export function Badge({ tone, children }: { tone: "good" | "bad" | "warn" | "plain"; children: ComponentChildren }): JSX.Element {
  return <span class={`badge badge-${tone}`}>{children}</span>;
}

/** The words above a table's columns. */
export type Head = [string, ("number" | "wide" | "text")?][];

/** A table that scrolls by itself where it is too wide, also by keyboard. */
export function Table({ label, head, children }: { label: string; head: Head; children: ComponentChildren }): JSX.Element {
  return (
    <div class="table" role="region" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {head.map(([word, kind]) => (
              <th scope="col" class={kind} key={word}>
                {word}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

/** Copies a text, and says so for a moment. */
export function Copy({ text, label }: { text: string; label: string }): JSX.Element {
  const [isDone, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 2000);
  };
  return (
    <button type="button" class="button small" onClick={() => void copy()}>
      <Icon name={isDone ? "check" : "copy"} />
      <span aria-live="polite">{isDone ? t("copied") : label}</span>
    </button>
  );
}

/** A choice of a few, all of them in sight. */
export function Choice<T extends string>({ label, of, now, word, choose }: {
  label: string;
  of: readonly T[];
  now: T | undefined;
  word: (one: T) => string;
  choose: (one: T) => void;
}): JSX.Element {
  return (
    <div class="choice" role="group" aria-label={label}>
      {of.map((one) => (
        <button type="button" key={one} aria-pressed={one === now} onClick={() => choose(one)}>
          {word(one)}
        </button>
      ))}
    </div>
  );
}
