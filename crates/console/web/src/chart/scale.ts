// Where things stand in a chart.

/** Round values from 0 to at least `most`, about `count` of them. */
export function ticks(most: number, count: number): number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 2.5, 5, 10].find((unit) => unit * power >= rough) ?? 10;
  const step = unit * power;
  const steps = Math.ceil(most / step - 1e-9);
  return Array.from({ length: steps + 1 }, (_, index) => index * step);
}

/** Indices of points that bear a label, so that labels of `labelWidth` do not touch. */
export function labelled(points: number, width: number, labelWidth: number): number[] {
  const most = Math.max(1, Math.floor(width / labelWidth));
  const every = Math.max(1, Math.ceil(points / most));
  return Array.from({ length: Math.ceil(points / every) }, (_, index) => index * every);
}

/** Per point, where each of the series begins and ends when they stand on each other. */
export function stacked(series: readonly (readonly number[])[], points: number): [number, number][][] {
  const heights = new Array<number>(points).fill(0);
  return series.map((values) =>
    heights.map((height, index) => {
      const top = height + (values[index] ?? 0);
      heights[index] = top;
      return [height, top];
    }),
  );
}
