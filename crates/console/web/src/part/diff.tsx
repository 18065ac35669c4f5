// What becomes another: member by member, as it was and as it is to be.

import type { JSX } from "preact";
import { t } from "../text/text.ts";

export interface Change {
  name: string;
  before: unknown;
  after: unknown;
}

/** The members that differ; those of objects within are told apart by their paths. */
export function changes(before: unknown, after: unknown, path = ""): Change[] {
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => changes(before[name], after[name], path === "" ? name : `${path}.${name}`));
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ name: path, before, after }];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

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
