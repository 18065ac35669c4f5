// Live traffic: what is asked when, of whom, and how that goes. A cell leads to its requests.

import type { JSX } from "preact";
import type { UsageBy } from "../api/types.ts";
import { usage, type Row } from "../api/usage.ts";
import { cells, grouping, MEASURES, type Cell, type Measure } from "../chart/cells.ts";
import { HeatMap } from "../chart/heat-map.tsx";
import { useWidth } from "../chart/width.ts";
import { roughly, usd } from "../format/money.ts";
import { count, language, milliseconds, momentFull, percent, short } from "../format/number.ts";
import { Card, Choice, Empty, Waiting } from "../part/card.tsx";
import { presentRange } from "../part/range-picker.tsx";
import { address, ask, href } from "../state/address.ts";
import { nameOf, useNames } from "../state/names.ts";
import { useQuery } from "../state/query.ts";
import { HOUR, step, type Range } from "../state/range.ts";
import { t } from "../text/text.ts";

const DIMENSIONS = ["alias", "model", "provider", "team", "region", "latency"] as const satisfies UsageBy[];
type Dimension = (typeof DIMENSIONS)[number];

/** A time of minutes is read from attempts one by one: the more there are, the less often. */
const FRESH_MS = { minute: 5000, hour: 15_000, day: 60_000 } as const;

function freshMs({ from, until, interval }: Range): number {
  return interval === "minute" && until - from > HOUR ? FRESH_MS.hour : FRESH_MS[interval];
}

/** Regions and latencies are read from attempts one by one, of no longer a time than this. */
const OF_ROWS_MAX = 48 * HOUR;

/** The narrowest a column may be, in pixels, and what stands beside them. */
const COLUMN = 9;
const NAMES = 160;
const LINES_MAX = 24;

function rangeFor(by: Dimension, range: Range): Range {
  const isOfRows = by === "region" || by === "latency";
  if (!isOfRows || range.until - range.from <= OF_ROWS_MAX) return range;
  const until = Math.ceil(range.until / HOUR) * HOUR;
  return { ...range, from: until - OF_ROWS_MAX, until, interval: "hour" };
}

export function Traffic(): JSX.Element {
  const { query } = address.value;
  const by = DIMENSIONS.find((one) => one === query.get("by")) ?? "alias";
  const measure = MEASURES.find((one) => one === query.get("measure")) ?? "rate";
  const range = rangeFor(by, presentRange());
  const asked = `${by} ${range.from} ${range.until}`;
  const wish = { interval: range.interval, range } as const;
  const rows = useQuery(`traffic ${asked}`, async (signal) => ({ by, range, sums: await usage({ by, ...wish }, signal) }), freshMs(range));
  // by two things it is many more sums: they are asked for where they are what is looked at
  const isOfErrors = measure === "errors";
  const ends = useQuery(`ends ${isOfErrors} ${asked}`, (signal) => (isOfErrors ? usage({ by, andBy: "status", ...wish }, signal) : Promise.resolve([])), isOfErrors ? freshMs(range) : 0);
  return (
    <>
      <div class="toolbar">
        <Choice label={t("traffic.by")} of={DIMENSIONS} now={by} word={(one) => t(`by.${one}`)} choose={(one) => ask({ by: one === "alias" ? undefined : one })} />
        <Choice label={t("traffic.measure")} of={MEASURES} now={measure} word={(one) => t(`measure.${one}`)} choose={(one) => ask({ measure: one === "rate" ? undefined : one })} />
      </div>
      <Waiting of={rows} />
      {rows.data && <Map {...rows.data} statuses={ends.data} measure={measure} />}
    </>
  );
}

const FORMATS: Record<Measure, (value: number) => string> = {
  rate: (value) => t("traffic.per_minute", { n: short(value) }),
  errors: percent,
  latency: milliseconds,
  cost: (value) => roughly(value, language()),
};

/** How the request log is narrowed to a line. */
function only(by: Dimension, of: string | null): Record<string, string | undefined> {
  if (of === null) return {};
  if (by !== "latency") return { [by]: of };
  return { took: of, below: String(Math.max(1, 2 * Number(of))) };
}

function Map({ by, range, sums, statuses, measure }: { by: Dimension; range: Range; sums: Row[]; statuses: Row[] | undefined; measure: Measure }): JSX.Element {
  const names = useNames();
  const [ref, width] = useWidth<HTMLDivElement>();
  const room = Math.max(COLUMN, width - NAMES);
  const group = grouping(range, Math.floor(room / COLUMN));
  const all = cells(sums, statuses ?? [], range, group);
  const lines = (by === "latency" ? all.sort((a, b) => Number(b.of) - Number(a.of)) : all).slice(0, LINES_MAX);
  const name = (of: string | null): string => {
    if (of === null) return t(by === "region" ? "traffic.no_region" : "cost.none");
    if (by === "team") return nameOf(names.teams, of);
    return by === "latency" ? `${of === "0" ? "<" : "≥"} ${milliseconds(Math.max(1, Number(of)))}` : of;
  };
  const tell = (_: string | null, cell: Cell): [string, string][] => [
    [t("at"), `${momentFull(cell.from, step(range.interval))}`],
    [t("requests"), count(cell.requests)],
    ...(measure === "errors" ? [[t("error_share"), cell.requests === 0 || !statuses ? "–" : percent(cell.wrong / cell.requests)] as [string, string]] : []),
    [`${t("latency")} p95`, milliseconds(cell.p95)],
    [t("tokens"), count(cell.tokens)],
    [t("cost"), usd(cell.charged, language())],
  ];
  return (
    <Card title={t("traffic")} note={all.length > LINES_MAX ? t("traffic.first", { n: count(LINES_MAX), all: count(all.length) }) : t("traffic.note")}>
      <div ref={ref}>
        {lines.length === 0 ? (
          <Empty>{t("overview.empty")}</Empty>
        ) : (
          <HeatMap
            lines={lines}
            measure={measure}
            step={step(range.interval)}
            label={t("traffic.label", { measure: t(`measure.${measure}`), by: t(`by.${by}`) })}
            name={name}
            to={(of, cell) => href("requests", { range: undefined, from: String(cell.from), until: String(cell.until), ...only(by, of) })}
            tell={tell}
            format={FORMATS[measure]}
            width={room}
          />
        )}
      </div>
    </Card>
  );
}
