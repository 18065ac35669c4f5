// Budgets: what is left of each over its window, and whether it lasts.

import type { JSX } from "preact";
import { levels, type Level } from "../api/quotas.ts";
import { total, usage } from "../api/usage.ts";
import { Chart, type Series } from "../chart/chart.tsx";
import { forecast, stepOf, stepsOf, type Window } from "../format/forecast.ts";
import { roughly, usd } from "../format/money.ts";
import { dateTime, language } from "../format/number.ts";
import { Badge, Card, Waiting } from "../part/card.tsx";
import { useQuery } from "../state/query.ts";
import { DAY, HOUR } from "../state/range.ts";
import { t } from "../text/text.ts";

/** Burn-downs that are drawn; all quotas stand on their own page. */
const SHOWN_MAX = 4;
const FRESH_MS = 30_000;
/** Shorter windows are over before anybody looks; a day can have 23 hours. */
const SHORTEST = 23 * HOUR;

/** A quota of money whose window goes by a calendar, as it is this moment. */
interface Budget {
  level: Level;
  window: Window;
}

async function load(signal: AbortSignal): Promise<Budget[]> {
  const all = await levels({ kind: "quota", percent: 0 }, signal);
  const fitting = all.flatMap((level): Budget[] => {
    const { measure, subject, begins_at, ends_at } = level;
    const isShown = measure === "cost_nano_usd" && (subject === "team" || subject === "key" || subject === "platform");
    if (!isShown || begins_at === null || ends_at === null || ends_at - begins_at < SHORTEST) return [];
    return [{ level, window: { from: begins_at, until: ends_at } }];
  });
  return fitting.slice(0, SHOWN_MAX);
}

export function Budgets(): JSX.Element | null {
  const budgets = useQuery("budgets", load, FRESH_MS);
  if (budgets.data?.length === 0) return null;
  return (
    <>
      <Waiting of={budgets} />
      <div class="charts">
        {budgets.data?.map((budget) => (
          <Burn key={budget.level.quota_id} of={budget} />
        ))}
      </div>
    </>
  );
}

function Burn({ of }: { of: Budget }): JSX.Element {
  const { level, window } = of;
  const step = stepOf(window);
  const interval = step === DAY ? "day" : "hour";
  const only = level.subject === "team" ? { team_id: level.subject_value ?? undefined } : level.subject === "key" ? { key_id: level.subject_value ?? undefined } : {};
  const now = Date.now() / 1000;
  const spent = useQuery(
    `burn ${level.quota_id} ${window.from}`,
    async (signal) => {
      const at = stepsOf(window);
      // what is still to come is not asked for
      const range = { from: at[0] ?? window.from, until: Math.floor(Date.now() / 1000 / step + 1) * step, interval, preset: undefined } as const;
      const rows = await usage({ by: "operation", interval, range, only }, signal);
      return at.map((moment) => total(rows.filter((row) => row.at === moment)).charged);
    },
    FRESH_MS,
  );
  const told = forecast(Number(level.limit), Number(level.used), window, now);
  const left = BigInt(level.limit) - BigInt(level.used);
  const note = told?.emptyAt !== undefined ? t("budget.empty_at", { when: dateTime(told.emptyAt) }) : told ? t("budget.lasts", { amount: roughly(told.spent, language()) }) : t("budget.early");
  return (
    <Card title={level.name ?? ""} note={note} actions={<Badge tone={told?.emptyAt !== undefined ? "bad" : "good"}>{`${usd(left < 0n ? 0n : left, language())} ${t("budget.left")}`}</Badge>}>
      <Waiting of={spent} />
      {spent.data && <Lines limit={BigInt(level.limit)} spent={spent.data} window={window} now={now} pace={told ? told.spent / (window.until - window.from) : undefined} />}
    </Card>
  );
}

/** What is left after each step, exact; the line itself is drawn of doubles. */
function Lines({ limit, spent, window, now, pace }: { limit: bigint; spent: bigint[]; window: Window; now: number; pace: number | undefined }): JSX.Element {
  const [step, at] = [stepOf(window), stepsOf(window)];
  const present = Math.floor((now - (at[0] ?? now)) / step);
  let rest = limit;
  const amounts = spent.map((amount) => {
    rest -= amount;
    return rest < 0n ? 0n : rest;
  });
  const left = amounts.map((amount, index): number | null => (index > present ? null : Number(amount)));
  const from = left[present] ?? Number(limit);
  const expected = at.map((moment, index): number | null => (index < present || pace === undefined ? null : Math.max(0, from - pace * Math.max(0, moment - (at[present] ?? moment)))));
  const series: Series[] = [
    { name: t("budget.left"), colour: 1, values: left, text: (index) => usd(amounts[index] ?? 0n, language()) },
    { name: t("budget.forecast"), colour: "muted", values: expected },
  ];
  return <Chart kind="lines" at={at} step={step} series={series} label={t("budget.chart")} format={(value) => roughly(value, language())} height={180} />;
}
