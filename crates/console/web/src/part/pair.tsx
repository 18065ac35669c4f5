// A word and what there is under it; a list of them is a `dl` of the class `pairs`.

import type { JSX } from "preact";

export function Pair({ word, value }: { word: string; value: string }): JSX.Element {
  return (
    <div>
      <dt>{word}</dt>
      <dd>{value}</dd>
    </div>
  );
}
