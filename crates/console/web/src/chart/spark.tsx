// A line as small as a word.

import type { JSX } from "preact";

export function Spark({ values, width = 96, height = 28, tone = "1" }: { values: number[]; width?: number; height?: number; tone?: string }): JSX.Element {
  const most = Math.max(1e-9, ...values);
  const x = (index: number): number => (values.length > 1 ? (index / (values.length - 1)) * (width - 2) + 1 : width / 2);
  const y = (value: number): number => height - 2 - (value / most) * (height - 4);
  const line = values.map((value, index) => `${index === 0 ? "M" : "L"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  return (
    <svg class={`spark tone-${tone}`} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true" focusable="false">
      {values.length > 1 && <path class="area" d={`${line}L${x(values.length - 1).toFixed(1)} ${height}L${x(0).toFixed(1)} ${height}z`} />}
      <path class="line" d={line} />
    </svg>
  );
}
