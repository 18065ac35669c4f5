// A heat map of usage: a line for each thing, a column for each time. A cell is a link; the arrow keys walk through
// cells, and the numbers of one are shown under the pointer or where the keyboard is.

import type { JSX, TargetedFocusEvent, TargetedKeyboardEvent, TargetedMouseEvent } from "preact";
import { useState } from "preact/hooks";
import { moment } from "../format/number.ts";
import { heat, valueOf, type Cell, type Line, type Measure } from "./cells.ts";
import { labelled } from "./scale.ts";

interface Wish {
  lines: Line[];
  measure: Measure;
  step: number;
  /** What it shows. */
  label: string;
  name: (of: string | null) => string;
  /** Where a cell leads. */
  to: (of: string | null, cell: Cell) => string;
  /** The numbers of a cell. */
  tell: (of: string | null, cell: Cell) => [word: string, value: string][];
  format: (value: number) => string;
}

interface Place {
  line: number;
  column: number;
}

const MOVES: Record<string, Place> = {
  ArrowLeft: { line: 0, column: -1 },
  ArrowRight: { line: 0, column: 1 },
  ArrowUp: { line: -1, column: 0 },
  ArrowDown: { line: 1, column: 0 },
};

/** Room for the label of a column, in columns' widths of about so many pixels. */
const LABEL = 64;

export function HeatMap(wish: Wish & { width: number }): JSX.Element {
  const { lines, measure, step, label, name, width, format } = wish;
  const [shown, setShown] = useState<Place | undefined>(undefined);
  const [stop, setStop] = useState<Place>({ line: 0, column: 0 });
  const columns = lines[0]?.cells.length ?? 0;
  const most = Math.max(0, ...lines.flatMap((line) => line.cells.map((cell) => valueOf(cell, measure) ?? 0)));
  const marks = new Set(labelled(columns, width, LABEL));
  const at = (event: { target: EventTarget | null }): Place | undefined => {
    const place = event.target instanceof HTMLElement ? event.target.dataset["at"]?.split(" ").map(Number) : undefined;
    return place && { line: place[0] ?? 0, column: place[1] ?? 0 };
  };
  const key = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    const [move, from] = [MOVES[event.key], at(event)];
    if (!move || !from) return;
    event.preventDefault();
    const to = { line: clamp(from.line + move.line, lines.length), column: clamp(from.column + move.column, columns) };
    setStop(to);
    event.currentTarget.querySelector<HTMLElement>(`[data-at="${to.line} ${to.column}"]`)?.focus();
  };
  return (
    <div
      class="heat"
      role="grid"
      aria-label={label}
      style={{ "--columns": columns }}
      onKeyDown={key}
      onMouseOver={(event: TargetedMouseEvent<HTMLDivElement>) => setShown(at(event))}
      onMouseLeave={() => setShown(undefined)}
      onFocusIn={(event: TargetedFocusEvent<HTMLDivElement>) => setShown(at(event))}
      onFocusOut={() => setShown(undefined)}
    >
      {lines.map((line, index) => (
        <div class="heat-line" role="row" key={line.of ?? ""}>
          <span class="heat-name" role="rowheader" title={name(line.of)}>
            {name(line.of)}
          </span>
          {line.cells.map((cell, column) => {
            const value = valueOf(cell, measure);
            const isStop = stop.line === index && stop.column === column;
            return (
              <span role="gridcell" key={cell.from}>
                <a
                  class={value === undefined ? "heat-cell is-empty" : "heat-cell"}
                  href={wish.to(line.of, cell)}
                  data-at={`${index} ${column}`}
                  tabIndex={isStop ? 0 : -1}
                  aria-label={`${name(line.of)}, ${moment(cell.from, step)}: ${value === undefined ? "–" : format(value)}`}
                  style={value === undefined ? undefined : { "--heat": `${(heat(value, most) * 100).toFixed(1)}%` }}
                />
              </span>
            );
          })}
        </div>
      ))}
      <div class="heat-line heat-axis" aria-hidden="true">
        <span />
        {(lines[0]?.cells ?? []).map((cell, column) => (
          <span key={cell.from}>{marks.has(column) && <span>{moment(cell.from, step)}</span>}</span>
        ))}
      </div>
      {shown && <Numbers wish={wish} place={shown} columns={columns} />}
      <p class="heat-scale note">
        <span>{format(0)}</span>
        <span class="heat-ramp" aria-hidden="true" />
        <span>{format(most)}</span>
      </p>
    </div>
  );
}

function clamp(index: number, length: number): number {
  return Math.min(length - 1, Math.max(0, index));
}

function Numbers({ wish, place, columns }: { wish: Wish; place: Place; columns: number }): JSX.Element | null {
  const line = wish.lines[place.line];
  const cell = line?.cells[place.column];
  if (!line || !cell) return null;
  const isLeft = place.column > columns / 2;
  return (
    <div class={isLeft ? "values heat-values is-left" : "values heat-values"} role="status">
      <p class="values-name strong">{wish.name(line.of)}</p>
      {wish.tell(line.of, cell).map(([word, value]) => (
        <p class="values-row" key={word}>
          <span class="values-name">{word}</span>
          <b>{value}</b>
        </p>
      ))}
    </div>
  );
}
