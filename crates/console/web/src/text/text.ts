// The console's words in the language somebody chose.

import { locale } from "../state/preferences.ts";
import { words } from "./words.ts";

export type Word = keyof typeof words;

/** The text for `word`, with `{name}` replaced by what is given under it. */
export function t(word: Word, given: Record<string, string | number> = {}): string {
  const text = words[word][locale.value === "zh" ? 1 : 0];
  return text.replace(/\{(\w+)\}/g, (place, name: string) => String(given[name] ?? place));
}

/** The text for a word of the administration, or the word itself where the console does not know it. */
export function named(kind: string, word: string): string {
  const key = `${kind}.${word}`;
  return Object.hasOwn(words, key) ? t(key as Word) : word;
}

/** How an attempt ended: a word of its own, or the class of its fault. */
export function ended(outcome: string): string {
  return Object.hasOwn(words, `attempt.${outcome}`) ? named("attempt", outcome) : named("fault", outcome);
}
