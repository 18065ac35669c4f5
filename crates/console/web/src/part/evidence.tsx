// What was seen, member by member.

import type { JSX } from "preact";
import { count } from "../format/number.ts";

export function Evidence({ of }: { of: unknown }): JSX.Element | null {
  if (typeof of !== "object" || of === null) return null;
  return (
    <dl class="pairs">
      {Object.entries(of).map(([name, value]) => (
        <div key={name}>
          <dt>{name.replaceAll("_", " ")}</dt>
          <dd>{typeof value === "number" ? count(value) : typeof value === "string" ? value : JSON.stringify(value)}</dd>
        </div>
      ))}
    </dl>
  );
}
