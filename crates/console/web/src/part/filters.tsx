// What a list is narrowed to. Every filter stands in the URL under its name, so that a link shows the same.

import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { address, ask } from "../state/address.ts";
import { t, type Word } from "../text/text.ts";
import { Icon } from "./icon.tsx";

export interface Filter {
  /** In the URL. */
  name: string;
  word: Word;
  /** What can be chosen, by value; with `isFree` anything else can be written too. */
  of?: readonly (readonly [value: string, label: string])[];
  isFree?: boolean;
  numeric?: boolean;
}

/** What the URL says of filters. */
export function filtered(names: readonly string[]): Record<string, string | undefined> {
  const { query } = address.value;
  return Object.fromEntries(names.map((name) => [name, query.get(name) ?? undefined]));
}

/** A phone shows them when asked to. */
const isWide = (): boolean => window.matchMedia("(min-width: 861px)").matches;

export function Filters({ all }: { all: readonly Filter[] }): JSX.Element {
  const { query } = address.value;
  const active = all.filter(({ name }) => query.has(name));
  const clear = (): void => ask(Object.fromEntries(all.map(({ name }) => [name, undefined])));
  return (
    <details class="filters card" open={isWide() || active.length > 0}>
      <summary>
        {t("filters")}
        {active.length > 0 && <span class="badge badge-plain">{active.length}</span>}
      </summary>
      <div class="filter-fields">
        {all.map((filter) => (
          <Field key={filter.name} filter={filter} value={query.get(filter.name) ?? ""} />
        ))}
        <button type="button" class="button small ghost" disabled={active.length === 0} onClick={clear}>
          <Icon name="close" />
          {t("filters.clear")}
        </button>
      </div>
    </details>
  );
}

function Field({ filter, value }: { filter: Filter; value: string }): JSX.Element {
  const id = useId();
  const { name, word, of, isFree = !of, numeric = false } = filter;
  const change = (event: { currentTarget: { value: string } }): void => ask({ [name]: event.currentTarget.value.trim() || undefined });
  if (of && !isFree) {
    const isKnown = value === "" || of.some(([known]) => known === value);
    return (
      <label class="field">
        <span>{t(word)}</span>
        <select name={name} value={value} onChange={change}>
          <option value="">{t("filters.all")}</option>
          {!isKnown && <option value={value}>{value}</option>}
          {of.map(([one, label]) => (
            <option key={one} value={one}>
              {label}
            </option>
          ))}
        </select>
      </label>
    );
  }
  return (
    <label class="field">
      <span>{t(word)}</span>
      <input name={name} type="search" autocomplete="off" placeholder={t("filters.all")} value={value} {...(of && { list: id })} {...(numeric && { inputMode: "numeric" })} onChange={change} />
      {of && (
        <datalist id={id}>
          {of.map(([one, label]) => (
            <option key={one} value={one}>
              {label}
            </option>
          ))}
        </datalist>
      )}
    </label>
  );
}
