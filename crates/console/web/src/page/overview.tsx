// Overview: what happens now, and how a time was against the one before.

import type { JSX } from "preact";
import type { Quantiles } from "../api/types.ts";
import { byThing, byTime, total, usage, type Row, type Sums } from "../api/usage.ts";
import { Chart, type Series } from "../chart/chart.tsx";
import { Spark } from "../chart/spark.tsx";
import { roughly, usd } from "../format/money.ts";
import { count, language, milliseconds, percent, short } from "../format/number.ts";
import { Card, Empty, Money, Waiting } from "../part/card.tsx";
import { Icon } from "../part/icon.tsx";
import { presentRange } from "../part/range-picker.tsx";
import { isPaused, samples, useLive } from "../state/live.ts";
import { useQuery } from "../state/query.ts";
import { before, points, step, type Range } from "../state/range.ts";
import { isOfPlatform } from "../state/session.ts";
import { named, t } from "../text/text.ts";
import { Begin } from "./begin.tsx";

/** A page of the last hours is asked for anew more often than one of the last months. */
const FRESH_MS = { minute: 5000, hour: 15_000, day: 60_000 } as const;

interface Period {
  rows: Row[];
  /** By the status clients were given. */
  statuses: Row[];
  /** Of all of the time, by operation. */
  whole: Row[];
}

interface Both {
  range: Range;
  now: Period;
  earlier: { whole: Row[]; statuses: Row[] };
}

async function load(range: Range, signal: AbortSignal): Promise<Both> {
  const earlier = before(range);
  const of = (by: "operation" | "status", time: Range, interval: Range["interval"] | "total"): Promise<Row[]> =>
    usage({ by, interval, range: time }, signal);
  const [rows, statuses, whole, wholeEarlier, statusesEarlier] = await Promise.all([
    of("operation", range, range.interval),
    of("status", range, range.interval),
    of("operation", range, "total"),
    of("operation", earlier, "total"),
    of("status", earlier, "total"),
  ]);
  return { range, now: { rows, statuses, whole }, earlier: { whole: wholeEarlier, statuses: statusesEarlier } };
}

export function Overview(): JSX.Element {
  const range = presentRange();
  const both = useQuery(`overview ${range.from} ${range.until}`, (signal) => load(range, signal), FRESH_MS[range.interval]);
  return (
    <>
      {isOfPlatform() && <Begin />}
      {isOfPlatform() && <Live />}
      <Waiting of={both} />
      {both.data && <Figures both={both.data} />}
      {both.data && <Charts {...both.data} />}
    </>
  );
}

/** What is under way this second. */
function Live(): JSX.Element {
  useLive();
  const all = samples.value;
  const last = all.at(-1);
  const paused = isPaused.value;
  const figure = (word: string, value: string, values: number[], tone: string): JSX.Element => (
    <div class="live-figure">
      <p class="live-word">{word}</p>
      <p class="live-value">{value}</p>
      <Spark values={values} width={160} height={32} tone={tone} />
    </div>
  );
  return (
    <section class="live card" aria-label={t("live")}>
      <p class="live-state">
        <span class={paused || !last ? "pulse is-still" : "pulse"} />
        {paused ? t("live.paused") : t("live")}
      </p>
      {figure(t("live.rate"), last ? short(last.perMinute / 60) : "–", all.map((one) => one.perMinute), "1")}
      {figure(t("live.under_way"), last ? count(last.inFlight) : "–", all.map((one) => one.inFlight), "2")}
      {figure(t("live.failed"), last ? count(last.failedPerMinute) : "–", all.map((one) => one.failedPerMinute), "bad")}
      <button type="button" class="button small" aria-pressed={paused} onClick={() => (isPaused.value = !paused)}>
        <Icon name={paused ? "play" : "pause"} />
        {paused ? t("live.resume") : t("live.pause")}
      </button>
    </section>
  );
}

function isError(row: Row): boolean {
  return Number(row.of ?? 0) >= 400;
}

/** The share of requests that ended with an error for the client. */
function errorShare(statuses: Row[]): number | undefined {
  const all = total(statuses).requests;
  return all === 0 ? undefined : total(statuses.filter(isError)).requests / all;
}

/** The operation with the most attempts: quantiles of different operations cannot be added up. */
function main(rows: Row[]): Row | undefined {
  return [...rows].sort((a, b) => b.attempts - a.attempts)[0];
}

function Figures({ both }: { both: Both }): JSX.Element {
  const [now, then] = [total(both.now.whole), total(both.earlier.whole)];
  const [errors, errorsThen] = [errorShare(both.now.statuses), errorShare(both.earlier.statuses)];
  const busiest = main(both.now.whole);
  const busiestThen = both.earlier.whole.find((row) => row.of === busiest?.of);
  return (
    <div class="figures">
      <Figure word={t("requests")} value={count(now.requests)} change={ratio(now.requests, then.requests)} />
      <Figure word={t("tokens")} value={short(now.tokens)} title={count(now.tokens)} change={ratio(now.tokens, then.tokens)} />
      <Figure word={t("cost")} value={<Money nano={now.charged} />} change={ratio(Number(now.charged), Number(then.charged))} />
      <Figure
        word={t("error_share")}
        value={errors === undefined ? "–" : percent(errors)}
        change={errors === undefined || errorsThen === undefined ? undefined : apart(errors - errorsThen)}
        good="down"
      />
      <Quantile word={t("latency")} now={busiest?.latency} then={busiestThen?.latency} of={busiest?.of} />
      <Quantile word={t("first_token")} now={busiest?.firstToken} then={busiestThen?.firstToken} of={busiest?.of} />
    </div>
  );
}

interface Change {
  text: string;
  sign: number;
}

/** By how much there is more than before; nothing where there was nothing. */
function ratio(now: number, then: number): Change | undefined {
  if (then === 0) return undefined;
  const change = now / then - 1;
  return { text: percent(Math.abs(change)), sign: Math.abs(change) < 0.0005 ? 0 : Math.sign(change) };
}

function apart(difference: number): Change {
  return { text: t("points", { n: short(Math.abs(difference) * 100) }), sign: Math.abs(difference) < 0.00005 ? 0 : Math.sign(difference) };
}

function Figure({ word, value, title, note, change, good }: {
  word: string;
  value: string | JSX.Element;
  title?: string;
  note?: string | undefined;
  change: Change | undefined;
  good?: "down";
}): JSX.Element {
  const tone = !change || change.sign === 0 || !good ? "" : change.sign < 0 ? "is-good" : "is-bad";
  const arrow = !change || change.sign === 0 ? "" : change.sign > 0 ? "▲ " : "▼ ";
  return (
    <section class="card figure" title={title}>
      <h2>{word}</h2>
      <p class="figure-value">{value}</p>
      {note !== undefined && <p class="note">{note}</p>}
      <p class={`figure-change ${tone}`}>{change ? t("against", { change: arrow + change.text }) : t("against.nothing")}</p>
    </section>
  );
}

function Quantile({ word, now, then, of }: { word: string; now: Quantiles | null | undefined; then: Quantiles | null | undefined; of: string | null | undefined }): JSX.Element {
  const parts = now ? `p50 ${milliseconds(now.p50_ms)} · p99 ${milliseconds(now.p99_ms)}` : undefined;
  return (
    <Figure
      word={`${word} p95`}
      value={milliseconds(now?.p95_ms)}
      note={parts && of ? `${parts} · ${named("operation", of)}` : parts}
      change={now && then ? ratio(now.p95_ms, then.p95_ms) : undefined}
      good="down"
    />
  );
}

function Charts({ range, now }: { range: Range; now: Period }): JSX.Element {
  const at = points(range);
  const size = step(range.interval);
  if (now.whole.length === 0) {
    return (
      <Card>
        <Empty>{t("overview.empty")}</Empty>
      </Card>
    );
  }
  const statuses = byTime(now.statuses, range);
  const groups = byTime(now.rows, range);
  const ended = (name: string, colour: Series["colour"], is: (row: Row) => boolean): Series => ({
    name,
    colour,
    values: statuses.map((rows) => total(rows.filter(is)).requests),
  });
  const status = (row: Row): number => Number(row.of ?? 0);
  const answers = [
    ended(t("status.ok"), 1, (row) => status(row) < 400),
    ended(t("status.client"), 4, (row) => status(row) >= 400 && status(row) < 500),
    ended(t("status.server"), "bad", (row) => status(row) >= 500),
  ];
  const sums = groups.map((rows) => total(rows));
  const series = (name: string, colour: number, of: (sums: Sums) => number): Series => ({ name, colour, values: sums.map(of) });
  const cost: Series = {
    name: t("cost"),
    colour: 3,
    values: sums.map((one) => Number(one.charged)),
    text: (index) => usd(sums[index]?.charged ?? 0n, language()),
  };
  return (
    <div class="charts">
      <Card title={t("requests")} note={t("overview.requests_note")}>
        <Chart kind="bars" at={at} step={size} series={answers} label={t("overview.requests_chart")} format={short} />
      </Card>
      <Card title={t("tokens")}>
        <Chart
          kind="bars"
          at={at}
          step={size}
          series={[series(t("tokens.prompt"), 1, (one) => one.prompt), series(t("tokens.completion"), 2, (one) => one.completion)]}
          label={t("overview.tokens_chart")}
          format={short}
        />
      </Card>
      <Card title={t("cost")} note={t("overview.cost_note")}>
        <Chart kind="bars" at={at} step={size} series={[cost]} label={t("overview.cost_chart")} format={(value) => roughly(value, language())} />
      </Card>
      <LatencyChart range={range} rows={now.rows} />
    </div>
  );
}

function LatencyChart({ range, rows }: { range: Range; rows: Row[] }): JSX.Element {
  const busiest = byThing(rows, (sums) => BigInt(sums.attempts))[0];
  const groups = byTime(busiest?.rows ?? [], range);
  const line = (name: string, colour: number, of: (quantiles: Quantiles) => number): Series => ({
    name,
    colour,
    values: groups.map(([row]) => (row?.latency ? of(row.latency) : null)),
  });
  const lines = [
    line("p50", 2, (quantiles) => quantiles.p50_ms),
    line("p95", 1, (quantiles) => quantiles.p95_ms),
    line("p99", 5, (quantiles) => quantiles.p99_ms),
  ];
  return (
    <Card title={t("latency")} note={busiest?.of ? named("operation", busiest.of) : undefined}>
      <Chart kind="lines" at={points(range)} step={step(range.interval)} series={lines} label={t("overview.latency_chart")} format={milliseconds} />
    </Card>
  );
}
