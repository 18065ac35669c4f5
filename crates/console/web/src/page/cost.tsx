// Cost: what was charged, by whatever it can be told apart by. A row leads to what it is made of.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { download } from "../api/download.ts";
import { exchange, type Query } from "../api/http.ts";
import type { UsageBy } from "../api/types.ts";
import { byThing, byTime, total, usage, type Row, type Sums } from "../api/usage.ts";
import { Chart, type Series } from "../chart/chart.tsx";
import { Treemap } from "../chart/treemap.tsx";
import { perMille, roughly, usd } from "../format/money.ts";
import { count, language, percent } from "../format/number.ts";
import { Badge, Card, Choice, Empty, Money, Table, Trouble, Waiting } from "../part/card.tsx";
import { Icon } from "../part/icon.tsx";
import { presentRange } from "../part/range-picker.tsx";
import { address, ask, href } from "../state/address.ts";
import { nameOf, useNames, type Names } from "../state/names.ts";
import { useQuery } from "../state/query.ts";
import { DAY, HOUR, points, step, type Range } from "../state/range.ts";
import { named, t } from "../text/text.ts";
import { Budgets } from "./budgets.tsx";

const DIMENSIONS = ["team", "key", "alias", "provider", "model", "operation", "user", "tag"] as const satisfies UsageBy[];
type Dimension = (typeof DIMENSIONS)[number];

/** What usage can be narrowed to, and the administration's word for it. */
const FILTERS = { team: "team_id", key: "key_id", alias: "alias", provider: "provider", model: "model", operation: "operation" } as const;
type Filtered = keyof typeof FILTERS;

/** What a row is looked at by when it is opened. */
const NEXT: Record<Filtered, Dimension> = { team: "key", key: "alias", alias: "provider", provider: "model", model: "team", operation: "alias" };

/** The longest time labels are told apart by the hour. */
const LABELS_BY_HOUR_MAX = 48 * HOUR;
/** Series of a chart; all others are one. */
const SERIES_MAX = 7;
/** Boxes of the treemap; the table has all. */
const PARTS_MAX = 40;

function isLabel(by: Dimension): boolean {
  return by === "user" || by === "tag";
}

/** Labels are kept apart by the day, and attempts are read one by one for shorter times only. */
function rangeFor(by: Dimension, range: Range): Range {
  if (range.interval === "minute") {
    const from = Math.floor(range.from / HOUR) * HOUR;
    return { ...range, interval: "hour", from, until: Math.ceil(range.until / HOUR) * HOUR };
  }
  if (!isLabel(by) || range.until - range.from <= LABELS_BY_HOUR_MAX) return range;
  return { ...range, interval: "day", from: Math.floor(range.from / DAY) * DAY, until: Math.ceil(range.until / DAY) * DAY };
}

export function Cost(): JSX.Element {
  const names = useNames();
  const { query } = address.value;
  const by = DIMENSIONS.find((dimension) => dimension === query.get("by")) ?? "team";
  const chosen = (Object.keys(FILTERS) as Filtered[]).flatMap((filter) => {
    const value = query.get(filter);
    return value === null ? [] : [[filter, value] as const];
  });
  const only: Query = Object.fromEntries(chosen.map(([filter, value]) => [FILTERS[filter], value]));
  const range = rangeFor(by, presentRange());
  const question = `cost ${by} ${range.from} ${range.until} ${JSON.stringify(only)}`;
  const rows = useQuery(
    question,
    (signal) => usage({ by, interval: range.interval, range, only }, signal),
    30_000,
  );
  const label = (of: string | null): string => labelOf(names, by, of);
  return (
    <>
      <div class="toolbar">
        <Choice label={t("cost.by")} of={DIMENSIONS} now={by} word={(one) => t(`by.${one}`)} choose={(one) => ask({ by: one })} />
        <Export range={range} />
      </div>
      {chosen.length > 0 && (
        <ul class="chips">
          {chosen.map(([filter, value]) => (
            <li key={filter}>
              <button type="button" class="chip" aria-label={t("cost.remove", { name: labelOf(names, filter, value) })} onClick={() => ask({ [filter]: undefined })}>
                <span class="note">{t(`by.${filter}`)}</span>
                {labelOf(names, filter, value)}
                <Icon name="close" />
              </button>
            </li>
          ))}
        </ul>
      )}
      <Waiting of={rows} />
      {rows.data && <OverTime rows={rows.data} range={range} label={label} />}
      {rows.data && <Things rows={rows.data} by={by} label={label} />}
      <Budgets />
    </>
  );
}

function labelOf(names: Names, by: Dimension, of: string | null): string {
  if (of === null) return t("cost.none");
  if (of === "") return t("cost.others");
  if (by === "team") return nameOf(names.teams, of);
  if (by === "key") return nameOf(names.keys, of);
  return by === "operation" ? named("operation", of) : of;
}

function OverTime({ rows, range, label }: { rows: Row[]; range: Range; label: (of: string | null) => string }): JSX.Element {
  const things = byThing(rows, (sums) => sums.charged);
  const rest = things.slice(SERIES_MAX).flatMap((thing) => thing.rows);
  const series = things.slice(0, SERIES_MAX).map((thing, index) => seriesOf(label(thing.of), index + 1, thing.rows, range));
  if (rest.length > 0) series.push(seriesOf(t("cost.rest", { n: count(things.length - SERIES_MAX) }), 8, rest, range));
  const sum = total(rows);
  return (
    <Card title={t("cost")} note={<>{t("cost.total")} <b class="strong"><Money nano={sum.charged} /></b></>}>
      {things.length === 0 ? (
        <Empty>{t("cost.empty")}</Empty>
      ) : (
        <Chart kind="bars" at={points(range)} step={step(range.interval)} series={series} height={280} label={t("cost.chart")} format={(value) => roughly(value, language())} />
      )}
    </Card>
  );
}

function seriesOf(name: string, colour: number, rows: Row[], range: Range): Series {
  const amounts = byTime(rows, range).map((group) => total(group).charged);
  return { name, colour, values: amounts.map(Number), text: (index) => usd(amounts[index] ?? 0n, language()) };
}

function Things({ rows, by, label }: { rows: Row[]; by: Dimension; label: (of: string | null) => string }): JSX.Element {
  const things = byThing(rows, (sums) => sums.charged);
  const all = total(rows);
  const next = by in NEXT ? NEXT[by as Filtered] : undefined;
  const lead = (of: string | null): (() => void) | undefined => (next && of ? () => ask({ [by]: of, by: next }) : undefined);
  const parts = things.slice(0, PARTS_MAX).map(({ of, sums }) => ({ key: String(of), name: label(of), value: Number(sums.charged), text: usd(sums.charged, language()), open: lead(of) }));
  const note = by === "tag" ? t("cost.tags_note") : all.unpriced > 0 ? <a href={href("prices")}>{t("cost.unpriced_note", { n: count(all.unpriced) })}</a> : undefined;
  return (
    <Card title={t(`by.${by}`)} note={note}>
      {all.charged > 0n && <Treemap parts={parts} label={t("cost.treemap")} />}
      <Table
        label={t("cost.table")}
        head={[[t(`by.${by}`)], [t("cost.charged"), "number"], [t("cost.share"), "number"], [t("requests"), "number"], [t("tokens"), "number"], [t("cost.unpriced"), "number"], [t("cost.absorbed"), "number"]]}
      >
        {things.map(({ of, sums }) => (
          <tr key={String(of)} data-of={of ?? ""}>
            <td class="cell-name">
              {lead(of) ? (
                <button type="button" class="link" onClick={lead(of)}>
                  {label(of)}
                </button>
              ) : (
                label(of)
              )}
            </td>
            <Numbers sums={sums} all={all} />
          </tr>
        ))}
        <tr class="sum">
          <th scope="row">{t("cost.total")}</th>
          <Numbers sums={all} all={all} />
        </tr>
      </Table>
    </Card>
  );
}

function Numbers({ sums, all }: { sums: Sums; all: Sums }): JSX.Element {
  return (
    <>
      <td class="number charged">
        <Money nano={sums.charged} />
      </td>
      <td class="number">{percent(perMille(sums.charged, all.charged) / 1000)}</td>
      <td class="number requests">{count(sums.requests)}</td>
      <td class="number">{count(sums.tokens)}</td>
      <td class="number">{sums.unpriced > 0 ? <Badge tone="warn">{count(sums.unpriced)}</Badge> : "0"}</td>
      <td class="number">
        <Money nano={sums.absorbed} />
      </td>
    </>
  );
}

/** The ledger's days as a file. */
function Export({ range }: { range: Range }): JSX.Element {
  const [problem, setProblem] = useState<unknown>(undefined);
  const take = async (): Promise<void> => {
    try {
      const response = await exchange("GET", "/usage/export", { query: { format: "csv", from: range.from, until: range.until + DAY - 1 } });
      await download(response, "usage.csv");
      setProblem(undefined);
    } catch (error) {
      setProblem(error);
    }
  };
  return (
    <>
      <button type="button" class="button small" onClick={() => void take()}>
        {t("cost.export")}
      </button>
      {problem !== undefined && <Trouble problem={problem} />}
    </>
  );
}
