// A kind of thing of the administration: a table of them, and how one is made, changed and deleted.

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { list, patch, post, remove } from "../api/http.ts";
import { changed, useQuery } from "../state/query.ts";
import { t } from "../text/text.ts";
import { Card, Empty, Table, Waiting, type Head } from "./card.tsx";
import { Confirm } from "./dialog.tsx";
import { Form, type Field, type Values } from "./form.tsx";
import { Icon } from "./icon.tsx";

export interface Thing {
  id: string;
  version: number;
}

export interface Kind<T extends Thing> {
  /** Where they are, under `/admin/v1`. */
  path: string;
  title: string;
  note?: string;
  /** What is said where there are none. */
  empty: string;
  make: string;
  /** What is said before one is deleted. */
  deleteNote: string;
  head: Head;
  cells: (row: T) => ComponentChildren;
  nameOf: (row: T) => string;
  /** `undefined`: of a new one. */
  fields: (row: T | undefined) => Field[];
  valuesOf: (row: T | undefined) => Values;
  /** What is sent of what was written. */
  body?: (values: Values, row: T | undefined) => unknown;
  /** What else can be done with one. */
  actions?: (row: T) => ComponentChildren;
  /** What is done with the answer to a new one. */
  made?: (answer: unknown) => void;
  may: boolean;
  /** Whether one may be changed and deleted, where that depends. */
  mayChange?: (row: T) => boolean;
  /** Which are shown. */
  filter?: (row: T) => boolean;
  everyMs?: number;
}

type Doing<T> = { kind: "new" } | { kind: "edit" | "delete"; row: T };

export function Things<T extends Thing>({ of }: { of: Kind<T> }): JSX.Element {
  const rows = useQuery(of.path, (signal) => list<T>(of.path, {}, signal), of.everyMs);
  const [doing, setDoing] = useState<Doing<T> | undefined>(undefined);
  const shown = rows.data?.filter(of.filter ?? (() => true));
  return (
    <>
      <Waiting of={rows} />
      {shown && (
        <Card title={of.title} note={of.note} actions={of.may && <Make word={of.make} run={() => setDoing({ kind: "new" })} />}>
          {shown.length === 0 ? (
            <Empty>{of.empty}</Empty>
          ) : (
            <Table label={of.title} head={[...of.head, [t("actions"), "number"]]}>
              {shown.map((row) => (
                <tr key={row.id} data-name={of.nameOf(row)}>
                  {of.cells(row)}
                  <td>
                    <div class="row-actions">
                      {of.actions?.(row)}
                      {of.may && (of.mayChange?.(row) ?? true) && <Change row={row} act={setDoing} />}
                    </div>
                  </td>
                </tr>
              ))}
            </Table>
          )}
        </Card>
      )}
      {doing && <Do of={of} doing={doing} close={() => setDoing(undefined)} />}
    </>
  );
}

function Make({ word, run }: { word: string; run: () => void }): JSX.Element {
  return (
    <button type="button" class="button primary" onClick={run}>
      <Icon name="plus" />
      {word}
    </button>
  );
}

function Change<T>({ row, act }: { row: T; act: (doing: Doing<T>) => void }): JSX.Element {
  return (
    <>
      <button type="button" class="button small" onClick={() => act({ kind: "edit", row })}>
        {t("edit")}
      </button>
      <button type="button" class="button small danger" onClick={() => act({ kind: "delete", row })}>
        {t("remove")}
      </button>
    </>
  );
}

function Do<T extends Thing>({ of, doing, close }: { of: Kind<T>; doing: Doing<T>; close: () => void }): JSX.Element {
  const body = of.body ?? ((values: Values): unknown => values);
  if (doing.kind === "new") {
    const send = async (values: Values): Promise<void> => {
      const answer = await post(of.path, body(values, undefined));
      changed();
      of.made?.(answer);
    };
    return <Form title={of.make} fields={of.fields(undefined)} from={of.valuesOf(undefined)} action={t("create")} send={send} close={close} />;
  }
  const { row } = doing;
  const name = of.nameOf(row);
  if (doing.kind === "edit") {
    const send = async (values: Values): Promise<void> => {
      await patch(`${of.path}/${row.id}`, row.version, body(values, row));
      changed();
    };
    return <Form title={name} fields={of.fields(row)} from={of.valuesOf(row)} action={t("save")} isChange send={send} close={close} />;
  }
  const run = async (): Promise<void> => {
    await remove(`${of.path}/${row.id}`);
    changed();
  };
  return <Confirm title={t("remove.title", { name })} text={of.deleteNote} name={name} action={t("remove")} run={run} close={close} />;
}
