// The console's words in the language somebody chose.

import { locale } from "../state/preferences.ts";
import { en } from "./en.ts";
import { zh } from "./zh.ts";

export type Word = keyof typeof en;

/** The text for `word`, with `{name}` replaced by what is given under it. */
export function t(word: Word, given: Record<string, string | number> = {}): string {
  const text: string = (locale.value === "zh" ? zh : en)[word];
  return text.replace(/\{(\w+)\}/g, (place, name: string) => String(given[name] ?? place));
}

/** The text for a word of the administration, or the word itself where the console does not know it. */
export function named(kind: string, word: string): string {
  const key = `${kind}.${word}`;
  return key in en ? t(key as Word) : word;
}
