// What becomes another between two states of a thing.

import { write } from "../api/json.ts";

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
  return write(before) === write(after) ? [] : [{ name: path, before, after }];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
