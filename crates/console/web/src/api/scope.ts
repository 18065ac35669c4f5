// Scopes as forms write them: a list that is empty sets no bound.

import type { Value, Values } from "../part/form.tsx";
import type { Scope } from "./types.ts";

const LISTS = ["models", "providers", "addresses"] as const;

/** The lists of a scope as fields. */
export function scopeFields(scope: Scope): Values {
  return Object.fromEntries(LISTS.map((name) => [name, scope[name] ?? []]));
}

/** What is sent, with the lists that were written put back into a scope; `whole` has those that were not. */
export function withScope(values: Values, whole: Scope): Record<string, unknown> {
  const rest = Object.fromEntries(Object.entries(values).filter(([name]) => !(LISTS as readonly string[]).includes(name)));
  if (!LISTS.some((name) => name in values)) return rest;
  const bound = (value: Value | undefined): Value | undefined => (Array.isArray(value) && value.length === 0 ? undefined : value);
  const scope = Object.fromEntries(LISTS.map((name) => [name, bound(name in values ? values[name] : (scopeFields(whole)[name] ?? []))]));
  return { ...rest, scope };
}

/** A scope in a line. */
export function scopeText(scope: Scope): string {
  return LISTS.flatMap((name) => scope[name] ?? []).join(", ");
}
