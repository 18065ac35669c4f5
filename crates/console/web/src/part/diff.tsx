// What becomes another: member by member, as it was and as it is to be.

import type { JSX } from "preact";
import type { Change } from "../format/changes.ts";
import { t } from "../text/text.ts";

/** A value in a line. */
export function written(value: unknown): string {
  if (value === undefined || value === null) return "–";
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (Array.isArray(value)) return value.length === 0 ? "–" : value.map(written).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function Diff({ of, word = (name) => name }: { of: Change[]; word?: (name: string) => string }): JSX.Element {
  return (
    <table class="diff">
      <caption>{t("diff")}</caption>
      <tbody>
        {of.map(({ name, before, after }) => (
          <tr key={name}>
            <th scope="row">{word(name)}</th>
            <td>
              <del>{written(before)}</del>
            </td>
            <td>
              <ins>{written(after)}</ins>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
