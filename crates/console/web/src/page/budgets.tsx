// Budgets: what is left of each over its window, and whether it lasts.

import type { JSX } from "preact";
import { list } from "../api/http.ts";
import { fullness, type Holders, type Quota } from "../api/quotas.ts";
import { total, usage } from "../api/usage.ts";
import { Chart, type Series } from "../chart/chart.tsx";
import { forecast, windowOf, type Window } from "../format/forecast.ts";
import { roughly, usd } from "../format/money.ts";
import { dateTime, language } from "../format/number.ts";
import { Badge, Card, Waiting } from "../part/card.tsx";
import { useQuery } from "../state/query.ts";
import { DAY, HOUR } from "../state/range.ts";
import { t } from "../text/text.ts";

/** Burn-downs that are drawn; all quotas stand on their own page. */
const SHOWN_MAX = 4;
const FRESH_MS = 30_000;

interface Budget {
  quota: Quota;
  holders: Holders;
  window: Window;
}

async function load(signal: AbortSignal): Promise<Budget[]> {
  const now = Date.now() / 1000;
  const all = await list<Quota>("/quotas", {}, signal);
  const fitting = all.filter(({ measure, subject, window }) => measure === "cost_nano_usd" && (subject === "team" || subject === "key" || subject === "platform") && windowOf(window, now));
  const shown = fitting.slice(0, SHOWN_MAX);
  const full = await fullness(shown, signal);
  return shown.flatMap((quota) => {
    const [holders, window] = [full.get(quota.id), windowOf(quota.window, now)];
    return holders && window ? [{ quota, holders, window }] : [];
  });
}

export function Budgets(): JSX.Element | null {
  const budgets = useQuery("budgets", load, FRESH_MS);
  if (budgets.data?.length === 0) return null;
  return (
    <>
      <Waiting of={budgets} />
      <div class="charts">
        {budgets.data?.map((budget) => (
          <Burn key={budget.quota.id} of={budget} />
        ))}
      </div>
    </>
  );
}

function Burn({ of }: { of: Budget }): JSX.Element {
  const { quota, holders, window } = of;
  const step = window.until - window.from > DAY ? DAY : HOUR;
  const interval = step === DAY ? "day" : "hour";
  const only = quota.subject === "team" ? { team_id: quota.subject_value ?? undefined } : quota.subject === "key" ? { key_id: quota.subject_value ?? undefined } : {};
  const spent = useQuery(
    `burn ${quota.id} ${window.from}`,
    async (signal) => {
      const rows = await usage({ by: "team", interval, range: { ...window, interval, preset: undefined }, only }, signal);
      const at = Array.from({ length: (window.until - window.from) / step }, (_, index) => window.from + index * step);
      return at.map((moment) => total(rows.filter((row) => row.at === moment)).charged);
    },
    FRESH_MS,
  );
  const now = Date.now() / 1000;
  const told = forecast(holders.limit, holders.used, window, now);
  const note = told?.emptyAt !== undefined ? t("budget.empty_at", { when: dateTime(told.emptyAt) }) : told ? t("budget.lasts", { amount: roughly(told.spent, language()) }) : t("budget.early");
  return (
    <Card title={quota.name} note={note} actions={<Badge tone={told?.emptyAt !== undefined ? "bad" : "good"}>{`${usd(BigInt(Math.max(0, holders.limit - holders.used)), language())} ${t("budget.left")}`}</Badge>}>
      <Waiting of={spent} />
      {spent.data && <Lines limit={holders.limit} spent={spent.data} window={window} step={step} now={now} pace={told ? told.spent / (window.until - window.from) : undefined} />}
    </Card>
  );
}

function Lines({ limit, spent, window, step, now, pace }: { limit: number; spent: bigint[]; window: Window; step: number; now: number; pace: number | undefined }): JSX.Element {
  const at = spent.map((_, index) => window.from + index * step);
  const present = Math.floor((now - window.from) / step);
  let sum = 0n;
  const left = spent.map((amount, index): number | null => {
    sum += amount;
    return index > present ? null : Math.max(0, limit - Number(sum));
  });
  const from = left[present] ?? limit;
  const expected = at.map((moment, index): number | null => (index < present || pace === undefined ? null : Math.max(0, from - pace * Math.max(0, moment - (at[present] ?? moment)))));
  const series: Series[] = [
    { name: t("budget.left"), colour: 1, values: left },
    { name: t("budget.forecast"), colour: "muted", values: expected },
  ];
  return <Chart kind="lines" at={at} step={step} series={series} label={t("budget.chart")} format={(value) => roughly(value, language())} height={180} />;
}
