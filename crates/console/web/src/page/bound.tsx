// What a key is near to or beyond: a word for the worst of it, and the fullest of what bounds it.

import type { JSX } from "preact";
import { fullness, type Level } from "../api/quotas.ts";
import { ago, percent } from "../format/number.ts";
import { Badge } from "../part/card.tsx";
import { href } from "../state/address.ts";
import { standingOf, type Bounded } from "../state/standing.ts";
import { t } from "../text/text.ts";
import { amount } from "./quotas.tsx";

/** Lines that are shown; the quotas' page has all of them. */
const SHOWN_MAX = 2;

export function Bound({ of }: { of: Bounded }): JSX.Element {
  const refuses = of.by.some((level) => standingOf(level) === "over" && (level.mode === "hard" || level.mode === "cut"));
  return (
    <div class="bound" data-standing={of.standing}>
      <Badge tone={refuses ? "bad" : "warn"}>{t(`standing.${of.standing}`)}</Badge>
      {of.by.slice(0, SHOWN_MAX).map((level) => (
        <p class="note" key={`${level.kind} ${level.quota_id ?? level.measure}`}>
          {level.kind === "quota" ? <a href={href("quotas")}>{level.name}</a> : nameOf(level)}
          {` · ${whole(level)}`}
        </p>
      ))}
    </div>
  );
}

/** A throttle, or a limit of the key or its team. */
function nameOf(level: Level): string {
  if (level.kind === "throttle") return t("standing.throttle", { when: ago(level.ends_at ?? 0) });
  return `${t(level.subject === "team" ? "by.team" : "by.key")} · ${t(LIMITS[level.measure])}`;
}

const LIMITS = { requests: "limit.requests", tokens: "limit.tokens", concurrent: "limit.concurrent", cost_nano_usd: "quota_measure.cost_nano_usd" } as const;

/** How full, of how much. */
function whole(level: Level): string {
  return t("standing.of", { share: percent(fullness(level)), limit: amount(level.measure, level.limit) });
}
