// A chart over time: bars that stand on each other, or lines. The values of a point are shown under the pointer, and
// with the arrow keys; what it shows is told in a sentence too.

import type { JSX, TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { useState } from "preact/hooks";
import { moment, momentFull } from "../format/number.ts";
import { labelled, stacked, ticks } from "./scale.ts";
import { DAY } from "../state/range.ts";
import { useWidth } from "./width.ts";

export interface Series {
  name: string;
  /** A number of the palette, from 1. */
  colour: number | "good" | "bad" | "muted";
  /** One for each point; none where nothing is known. */
  values: (number | null)[];
  /** The exact text of a value, where it is another than the axis would write. */
  text?: (index: number) => string;
}

interface Wish {
  kind: "bars" | "lines";
  /** When the points begin, in Unix seconds. */
  at: number[];
  step: number;
  series: Series[];
  /** What the chart shows. */
  label: string;
  format: (value: number) => string;
  height?: number;
}

/** Room for an axis' labels: as much as the longest needs, in pixels a character. */
const LEFT_LEAST = 52;
const CHARACTER = 6.5;
const RIGHT = 8;
const TOP = 10;
const BOTTOM = 22;
const LABEL = 76;
/** A label with the date and the time. */
const LABEL_LONG = 108;

export function Chart(wish: Wish): JSX.Element {
  const { at, series, label, height = 220 } = wish;
  const [ref, width] = useWidth<HTMLDivElement>();
  const [shown, setShown] = useState<number | undefined>(undefined);
  const marks = axis(wish);
  const left = Math.max(LEFT_LEAST, ...marks.map((mark) => wish.format(mark).length * CHARACTER + 12));
  const inner = Math.max(0, width - left - RIGHT);
  const slot = at.length > 0 ? inner / at.length : 0;
  const move = (event: TargetedPointerEvent<HTMLDivElement>): void => {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left - left;
    const index = Math.floor(x / slot);
    setShown(index >= 0 && index < at.length ? index : undefined);
  };
  const key = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const by = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : undefined;
    if (by === undefined) return;
    event.preventDefault();
    setShown((last) => Math.min(at.length - 1, Math.max(0, (last ?? (by > 0 ? -1 : at.length)) + by)));
  };
  return (
    <div
      class="chart"
      ref={ref}
      role="group"
      aria-label={label}
      tabIndex={0}
      onPointerMove={move}
      onPointerLeave={() => setShown(undefined)}
      onBlur={() => setShown(undefined)}
      onKeyDown={key}
    >
      {inner > 0 && <Drawing {...wish} marks={marks} height={height} width={width} left={left} slot={slot} shown={shown} />}
      {shown !== undefined && <Values {...wish} index={shown} x={left + slot * (shown + 0.5)} width={width} />}
      {series.length > 1 && <Legend series={series} />}
    </div>
  );
}

/** The values of all series at each point, as heights. */
function heights({ kind, at, series }: Wish): [number, number][][] {
  const plain = series.map((one) => one.values.map((value) => value ?? 0));
  return kind === "bars" ? stacked(plain, at.length) : plain.map((values) => values.map((value) => [0, value]));
}

/** Where the axis has its marks: beyond the highest point. */
function axis(wish: Wish): number[] {
  return ticks(Math.max(0, ...heights(wish).flatMap((series) => series.map(([, top]) => top))), 4);
}

function Drawing(wish: Wish & { marks: number[]; height: number; width: number; left: number; slot: number; shown: number | undefined }): JSX.Element {
  const { kind, at, step, series, format, marks, height, width, left, slot, shown } = wish;
  const stacks = kind === "bars" ? heights(wish) : [];
  const room = height - TOP - BOTTOM;
  // the time of day alone says little of several days
  const isLong = step < DAY && at.length * step > DAY;
  const y = (value: number): number => TOP + room - (value / (marks.at(-1) ?? 1)) * room;
  return (
    <svg width={width} height={height} aria-hidden="true" focusable="false">
      {marks.map((mark) => (
        <g key={mark}>
          <line class="grid" x1={left} x2={width - RIGHT} y1={y(mark)} y2={y(mark)} />
          <text class="tick" x={left - 8} y={y(mark) + 4} text-anchor="end">
            {format(mark)}
          </text>
        </g>
      ))}
      {labelled(at.length, width - left - RIGHT, isLong ? LABEL_LONG : LABEL).map((index) => (
        <text class="tick" key={index} x={left + slot * (index + 0.5)} y={height - 4} text-anchor={index === 0 ? "start" : "middle"}>
          {(isLong ? momentFull : moment)(at[index] ?? 0, step)}
        </text>
      ))}
      {shown !== undefined && <rect class="shown" x={left + slot * shown} width={slot} y={TOP} height={room} />}
      {kind === "bars"
        ? stacks.map((stack, index) => <path class={`fill ${tone(series[index])}`} key={index} d={bars(stack, left, slot, y)} />)
        : series.map((one) => <Line key={one.name} series={one} left={left} slot={slot} y={y} shown={shown} />)}
    </svg>
  );
}

function tone(series: Series | undefined): string {
  return `tone-${series?.colour ?? 1}`;
}

function bars(stack: [number, number][], left: number, slot: number, y: (value: number) => number): string {
  const gap = slot > 6 ? Math.min(4, slot * 0.2) : slot > 2.5 ? 1 : 0;
  const width = (slot - gap).toFixed(2);
  return stack
    .map(([from, to], index) => {
      if (to <= from) return "";
      const x = (left + slot * index + gap / 2).toFixed(2);
      return `M${x} ${y(from).toFixed(2)}V${y(to).toFixed(2)}h${width}V${y(from).toFixed(2)}z`;
    })
    .join("");
}

function Line(wish: { series: Series; left: number; slot: number; y: (value: number) => number; shown: number | undefined }): JSX.Element {
  const { series, left, slot, y, shown } = wish;
  const x = (index: number): number => left + slot * (index + 0.5);
  const isKnown = (index: number): boolean => typeof series.values[index] === "number";
  const path = series.values
    .map((value, index) => (value === null ? "" : `${isKnown(index - 1) ? "L" : "M"}${x(index).toFixed(2)} ${y(value).toFixed(2)}`))
    .join("");
  const alone = series.values.flatMap((value, index) =>
    value !== null && !isKnown(index - 1) && !isKnown(index + 1) ? [[index, value] as const] : [],
  );
  const value = shown === undefined ? null : (series.values[shown] ?? null);
  return (
    <g class={tone(series)}>
      <path class="line" d={path} />
      {alone.map(([index, value]) => (
        <circle class="dot" key={index} cx={x(index)} cy={y(value)} r={2.5} />
      ))}
      {shown !== undefined && value !== null && <circle class="dot" cx={x(shown)} cy={y(value)} r={4} />}
    </g>
  );
}

/** Rows of values that fit; the rest is in the table below the chart. */
const VALUES_MAX = 10;

function Values(wish: Wish & { index: number; x: number; width: number }): JSX.Element {
  const { series, index, x, width, at, step, format } = wish;
  const isLeft = x > width / 2;
  const rows = series.filter((one) => one.values[index] !== null && (series.length < 4 || one.values[index] !== 0));
  return (
    <div class="values" role="status" style={isLeft ? { right: `${width - x + 12}px` } : { left: `${x + 12}px` }}>
      <p class="values-at">{momentFull(at[index] ?? 0, step)}</p>
      {rows.slice(-VALUES_MAX).reverse().map((one) => (
        <p class="values-row" key={one.name}>
          <span class={`swatch ${tone(one)}`} />
          <span class="values-name">{one.name}</span>
          <b>{one.text ? one.text(index) : format(one.values[index] ?? 0)}</b>
        </p>
      ))}
    </div>
  );
}

function Legend({ series }: { series: Series[] }): JSX.Element {
  return (
    <ul class="legend">
      {series.map((one) => (
        <li key={one.name}>
          <span class={`swatch ${tone(one)}`} />
          <span class="legend-name">{one.name}</span>
        </li>
      ))}
    </ul>
  );
}
