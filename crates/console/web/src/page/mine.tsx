// What the holder of an application key may know with it: its own limits, spend and calls, and nothing of anybody else.

import type { JSX } from "preact";
import { ask, type Limit, type Me, type ModelDay, type MyUsage } from "../api/gateway.ts";
import { shareOf } from "../api/quotas.ts";
import { Chart, type Series } from "../chart/chart.tsx";
import { roughly, usd } from "../format/money.ts";
import { ago, count, dateTime, language, milliseconds, percent, time } from "../format/number.ts";
import { Badge, Card, Empty, Money, Table, Waiting } from "../part/card.tsx";
import { Meter } from "../part/meter.tsx";
import { Pair } from "../part/pair.tsx";
import { useOwn } from "../state/own-key.ts";
import { DAY } from "../state/range.ts";
import { ended, named, t } from "../text/text.ts";
import { amount } from "./quotas.tsx";
import { toneOf } from "./requests.tsx";

const FRESH_MS = 3000;
const DAYS = 30;
const SERIES_MAX = 7;

export function Mine(): JSX.Element {
  const me = useOwn("me", (key, signal) => ask<Me>("/me", key, signal), FRESH_MS);
  const used = useOwn("usage", (key, signal) => ask<MyUsage>(`/me/usage?days=${DAYS}&limit=100`, key, signal), FRESH_MS);
  return (
    <>
      <Waiting of={me} />
      {me.data && <Head of={me.data} />}
      {me.data && <Limits of={me.data.limits} />}
      <Waiting of={used} />
      {used.data && <Days of={used.data.data} />}
      {used.data && <Calls of={used.data} />}
    </>
  );
}

function Head({ of }: { of: Me }): JSX.Element {
  return (
    <Card title={of.name ?? t("key.unnamed")} note={of.team?.name ?? undefined} actions={<Badge tone="plain">{of.level === "app" ? t("sign_in.holder") : named("level", of.level)}</Badge>}>
      <dl class="pairs">
        <div>
          <dt>{t("mine.today")}</dt>
          <dd>
            <Money nano={BigInt(of.spend.today_nano_usd)} />
          </dd>
        </div>
        <div>
          <dt>{t("mine.month")}</dt>
          <dd>
            <Money nano={BigInt(of.spend.month_nano_usd)} />
          </dd>
        </div>
        <Pair word={t("key.ends")} value={of.expires_at === null ? t("key.endless") : `${ago(of.expires_at)}, ${dateTime(of.expires_at)}`} />
      </dl>
    </Card>
  );
}

function Limits({ of }: { of: Limit[] }): JSX.Element {
  return (
    <Card title={t("mine.limits")} note={t("mine.limits_note")}>
      {of.length === 0 ? (
        <Empty>{t("mine.no_limits")}</Empty>
      ) : (
        <Table label={t("mine.limits")} head={[[t("name")], [t("quota.measure")], [t("quota.used")], [t("mine.left"), "number"], [t("mine.resets")]]}>
          {of.map((limit) => (
            <tr key={`${limit.of} ${limit.name} ${limit.measure} ${limit.window}`}>
              <td class="cell-name">
                {limit.name}
                <p class="note">{t(`limit_of.${limit.of}`)}</p>
              </td>
              <td>
                {t(`quota_measure.${limit.measure}`)}
                <p class="note">{named("window", limit.window)}</p>
              </td>
              <td class="cell-meter">
                <Meter
                  used={shareOf(limit.used, limit)}
                  held={limit.limit === 0 ? 0 : shareOf(limit.reserved, limit)}
                  text={`${amount(limit.measure, limit.used)} / ${amount(limit.measure, limit.limit)}${limit.limit === 0 ? "" : ` · ${percent(shareOf(limit.used, limit))}`}`}
                />
              </td>
              <td class="number">{amount(limit.measure, limit.left)}</td>
              <td>{limit.resets_at === null ? "–" : ago(limit.resets_at)}</td>
            </tr>
          ))}
        </Table>
      )}
    </Card>
  );
}

function Days({ of }: { of: ModelDay[] }): JSX.Element {
  const today = Math.floor(Date.now() / 1000 / DAY) * DAY;
  const at = Array.from({ length: DAYS }, (_, index) => today - (DAYS - 1 - index) * DAY);
  const models = [...new Set(of.map((day) => day.model))].slice(0, SERIES_MAX);
  const series = models.map((model, index): Series => {
    const amounts = at.map((day) => of.filter((one) => one.model === model && one.at === day).reduce((sum, one) => sum + BigInt(one.cost_nano_usd), 0n));
    return { name: model, colour: index + 1, values: amounts.map(Number), text: (point) => usd(amounts[point] ?? 0n, language()) };
  });
  return (
    <Card title={t("cost")} note={t("mine.days")}>
      {of.length === 0 ? <Empty>{t("cost.empty")}</Empty> : <Chart kind="bars" at={at} step={DAY} series={series} label={t("overview.cost_chart")} format={(value) => roughly(value, language())} />}
    </Card>
  );
}

function Calls({ of }: { of: MyUsage }): JSX.Element {
  return (
    <Card title={t("mine.calls")} note={t("mine.calls_note")}>
      {of.recent.length === 0 ? (
        <Empty>{t("mine.no_calls")}</Empty>
      ) : (
        <Table label={t("mine.calls")} head={[[t("at")], [t("status")], [t("explain.model")], [t("tokens"), "number"], [t("first_token"), "number"], [t("latency"), "number"], [t("cost"), "number"]]}>
          {of.recent.map((call) => (
            <tr key={`${call.request_id} ${call.attempt}`} data-call={call.request_id}>
              <td title={dateTime(call.at)}>
                {time(call.at)}
                <p class="note mono">…{call.request_id.slice(-8)}</p>
              </td>
              <td>
                <Badge tone={toneOf(call.status)}>{call.status}</Badge>
                <p class="note">{ended(call.outcome)}</p>
              </td>
              <td class="cell-name">
                {call.model}
                <p class="note">{named("operation", call.operation)}</p>
              </td>
              <td class="number">
                {count(call.prompt_tokens)} → {count(call.completion_tokens)}
              </td>
              <td class="number">{milliseconds(call.first_token_ms)}</td>
              <td class="number">{milliseconds(call.latency_ms)}</td>
              <td class="number">{call.cost_nano_usd === null ? t("cost.unknown") : <Money nano={BigInt(call.cost_nano_usd)} />}</td>
            </tr>
          ))}
        </Table>
      )}
    </Card>
  );
}
