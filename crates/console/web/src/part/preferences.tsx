// Language and colours.

import type { JSX } from "preact";
import { choose, locale, theme, type Theme } from "../state/preferences.ts";
import { t } from "../text/text.ts";
import { Icon, type IconName } from "./icon.tsx";

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const ICONS: Record<Theme, IconName> = { system: "system", light: "sun", dark: "moon" };

export function Preferences(): JSX.Element {
  const other = locale.value === "zh" ? "en" : "zh";
  const name = t("theme.now", { theme: t(`theme.${theme.value}`) });
  return (
    <>
      <button type="button" class="button ghost" lang={other} aria-label={other === "zh" ? "切换到中文" : "Switch to English"} onClick={() => choose({ locale: other })}>
        {other === "zh" ? "中文" : "English"}
      </button>
      <button type="button" class="button ghost" aria-label={name} title={name} onClick={() => choose({ theme: NEXT[theme.value] })}>
        <Icon name={ICONS[theme.value]} />
      </button>
    </>
  );
}
