// Where rectangles stand in a treemap: each as large as its value, and none longer than it must be.

export interface Box {
  index: number;
  x: number;
  y: number;
  width: number;
  height: number;
}

/** The most that the sides of a row's boxes differ by, were the row so long. */
function worst(areas: readonly number[], side: number): number {
  const sum = areas.reduce((total, area) => total + area, 0);
  const [most, least] = [Math.max(...areas), Math.min(...areas)];
  return Math.max((side * side * most) / (sum * sum), (sum * sum) / (side * side * least));
}

/** Boxes of `values` (the largest first, all above 0) that fill a rectangle: rows are closed while that keeps them square. */
export function treemap(values: readonly number[], width: number, height: number): Box[] {
  const whole = values.reduce((sum, value) => sum + value, 0);
  if (whole <= 0 || width <= 0 || height <= 0) return [];
  const areas = values.map((value) => (value / whole) * width * height);
  const boxes: Box[] = [];
  let [x, y, wide, high, begin] = [0, 0, width, height, 0];
  while (begin < areas.length) {
    const side = Math.min(wide, high);
    let end = begin + 1;
    while (end < areas.length && worst(areas.slice(begin, end + 1), side) <= worst(areas.slice(begin, end), side)) end += 1;
    const row = areas.slice(begin, end);
    const depth = row.reduce((sum, area) => sum + area, 0) / side;
    let along = 0;
    row.forEach((area, place) => {
      const length = area / depth;
      const isColumn = wide >= high;
      boxes.push(isColumn ? { index: begin + place, x, y: y + along, width: depth, height: length } : { index: begin + place, x: x + along, y, width: length, height: depth });
      along += length;
    });
    if (wide >= high) [x, wide] = [x + depth, wide - depth];
    else [y, high] = [y + depth, high - depth];
    begin = end;
  }
  return boxes;
}
