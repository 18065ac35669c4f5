// Language and colours: as the browser asks for, until somebody chooses. Nothing else is kept in the browser.

import { effect, signal } from "@preact/signals";

export type Locale = "en" | "zh";
export type Theme = "system" | "light" | "dark";

const LOCALE = "nexus-locale";
const THEME = "nexus-theme";

function kept(name: string): string | null {
  try {
    return window.localStorage.getItem(name);
  } catch {
    return null;
  }
}

function keep(name: string, value: string): void {
  try {
    window.localStorage.setItem(name, value);
  } catch {
    // a browser that keeps nothing asks again next time
  }
}

function usualLocale(): Locale {
  const chosen = kept(LOCALE);
  if (chosen === "en" || chosen === "zh") return chosen;
  return navigator.languages.find((tag) => /^(en|zh)\b/i.test(tag))?.toLowerCase().startsWith("zh") ? "zh" : "en";
}

function usualTheme(): Theme {
  const chosen = kept(THEME);
  return chosen === "light" || chosen === "dark" ? chosen : "system";
}

export const locale = signal<Locale>(usualLocale());
export const theme = signal<Theme>(usualTheme());

effect(() => {
  document.documentElement.lang = locale.value === "zh" ? "zh-CN" : "en";
});
effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
});

export function choose(change: { locale: Locale } | { theme: Theme }): void {
  if ("locale" in change) keep(LOCALE, (locale.value = change.locale));
  else keep(THEME, (theme.value = change.theme));
}
