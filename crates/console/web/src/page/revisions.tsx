// Revisions: every change of configuration, by whom, which nodes have it, and how it is taken back.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, list, post } from "../api/http.ts";
import { count, dateTime, time } from "../format/number.ts";
import { Badge, Card, Empty, Table, Waiting } from "../part/card.tsx";
import { Confirm, Dialog } from "../part/dialog.tsx";
import { Diff } from "../part/diff.tsx";
import { More } from "../part/more.tsx";
import { Pair } from "../part/pair.tsx";
import { presentRange } from "../part/range-picker.tsx";
import { address, ask, href } from "../state/address.ts";
import { nameOf, useNames } from "../state/names.ts";
import { usePages } from "../state/pages.ts";
import { changed, useQuery } from "../state/query.ts";
import { isOfPlatform, mayPlatform } from "../state/session.ts";
import { named, t } from "../text/text.ts";
import type { Node } from "./nodes.tsx";

interface Revision {
  revision: number;
  at: number;
  actor_kind: string;
  actor_id: string | null;
  actor_name: string;
  action: string;
  target_kind: string | null;
  target_id: string | null;
  undoes: number | null;
  undone_by: number | null;
}

interface FieldChange {
  /** JSON pointer into the thing. */
  field: string;
  before: unknown;
  after: unknown;
}

interface Detail extends Revision {
  changes: FieldChange[];
  /** Why it cannot be taken back; empty where it can. */
  stays_because: string[];
}

const FRESH_MS = 3000;

export function Revisions(): JSX.Element {
  const action = address.value.query.get("action") ?? "";
  const { from, until } = presentRange();
  const rows = usePages<Revision>("/revisions", { from, to: until, action: action || undefined }, FRESH_MS);
  const nodes = useQuery("nodes", (signal) => (isOfPlatform() ? list<Node>("/nodes", {}, signal) : Promise.resolve([])), FRESH_MS);
  const [opened, setOpened] = useState<Revision | undefined>(undefined);
  const here = (nodes.data ?? []).filter((node) => node.is_here);
  return (
    <>
      <div class="toolbar">
        <p class="note">{t("revisions.note")}</p>
        <div class="toolbar-end">
          <input type="search" aria-label={t("audit.action")} placeholder={t("audit.action_hint")} value={action} onChange={(event) => ask({ action: event.currentTarget.value || undefined })} />
        </div>
      </div>
      <Waiting of={rows} />
      {rows.data && (
        <Card title={t("revisions")}>
          {rows.data.length === 0 ? (
            <Empty>{t("revisions.empty")}</Empty>
          ) : (
            <Table label={t("revisions")} head={[["#", "number"], [t("at")], [t("audit.actor")], [t("audit.action")], [t("audit.target")], [t("revision.nodes")], [t("state")]]}>
              {rows.data.map((row) => (
                <One key={row.revision} of={row} here={here} open={() => setOpened(row)} />
              ))}
            </Table>
          )}
          <More of={rows} />
        </Card>
      )}
      {opened && <Details of={opened.revision} here={here} close={() => setOpened(undefined)} />}
    </>
  );
}

function One({ of, here, open }: { of: Revision; here: Node[]; open: () => void }): JSX.Element {
  const having = here.filter((node) => node.world_revision >= of.revision).length;
  return (
    <tr data-revision={of.revision}>
      <td class="number">{count(of.revision)}</td>
      <td title={dateTime(of.at)}>{time(of.at)}</td>
      <td class="cell-name">
        <Actor of={of} />
      </td>
      <td>
        <button type="button" class="link mono" onClick={open}>
          {of.action}
        </button>
      </td>
      <td class="cell-name" title={of.target_id ?? undefined}>
        {of.target_kind ?? "–"}
        {of.target_id !== null && <p class="note mono">…{of.target_id.slice(-12)}</p>}
      </td>
      <td>{here.length === 0 ? "–" : <Badge tone={having === here.length ? "good" : "warn"}>{t("revision.having", { n: count(having), all: count(here.length) })}</Badge>}</td>
      <td>
        <Fate of={of} />
      </td>
    </tr>
  );
}

/** Who made it, by the best name there is. */
function Actor({ of }: { of: Revision }): JSX.Element {
  const names = useNames();
  if (of.actor_name) return <>{of.actor_name}</>;
  const isKey = of.actor_kind === "key" && of.actor_id !== null;
  return <>{isKey ? t("actor.key", { name: nameOf(names.keys, of.actor_id ?? "") }) : named("actor", of.actor_kind)}</>;
}

/** Whether it takes another back or was taken back itself. */
function Fate({ of }: { of: Revision }): JSX.Element {
  if (of.undone_by !== null) return <Badge tone="warn">{t("revision.undone_by", { n: count(of.undone_by) })}</Badge>;
  return of.undoes === null ? <>–</> : <Badge tone="plain">{t("revision.undoes", { n: count(of.undoes) })}</Badge>;
}

/** A pointer as it is read: without the slash in front, and of an id its end. */
function fieldOf(pointer: string): string {
  return pointer.replace(/^\//, "").replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-([0-9a-f]{12})/g, "…$1");
}

function Changes({ of }: { of: FieldChange[] }): JSX.Element {
  return of.length === 0 ? <p class="note">{t("revision.same")}</p> : <Diff of={of.map(({ field, before, after }) => ({ name: fieldOf(field), before, after }))} />;
}

function Details({ of, here, close }: { of: number; here: Node[]; close: () => void }): JSX.Element {
  const told = useQuery(`revision ${of}`, (signal) => get<Detail>(`/revisions/${of}`, {}, signal));
  const [isUndoing, setUndoing] = useState(false);
  const one = told.data;
  if (one && isUndoing) return <Undo of={one} close={() => setUndoing(false)} />;
  return (
    <Dialog title={t("revision.title", { n: count(of) })} close={close}>
      <Waiting of={told} />
      {one && (
        <div class="stack">
          <dl class="pairs">
            <Pair word={t("audit.action")} value={one.action} />
            <Pair word={t("at")} value={dateTime(one.at)} />
            <Pair word={t("audit.target")} value={`${one.target_kind ?? ""} ${one.target_id ?? ""}`} />
          </dl>
          <Changes of={one.changes} />
          {here.length > 0 && <Having of={one} here={here} />}
          {one.stays_because.length > 0 && (
            <div class="warning" data-stays>
              <p>{t("revision.stays")}</p>
              <ul>
                {one.stays_because.map((why) => (
                  <li key={why}>{why}</li>
                ))}
              </ul>
            </div>
          )}
          <div class="dialog-actions">
            <a class="button" href={href("audit", { action: one.action })}>
              {t("audit")}
            </a>
            {mayPlatform() && one.stays_because.length === 0 && one.undone_by === null && (
              <button type="button" class="button danger" onClick={() => setUndoing(true)}>
                {t("revision.undo")}
              </button>
            )}
          </div>
        </div>
      )}
    </Dialog>
  );
}

/** Which nodes have it in force, and which have not yet. */
function Having({ of, here }: { of: Revision; here: Node[] }): JSX.Element {
  return (
    <div>
      <h3>{t("revision.nodes")}</h3>
      <ul class="having">
        {here.map((node) => (
          <li key={node.id}>
            <Badge tone={node.world_revision >= of.revision ? "good" : "warn"}>{t(node.world_revision >= of.revision ? "revision.has" : "revision.has_not", { name: node.name })}</Badge>
          </li>
        ))}
      </ul>
    </div>
  );
}

interface Preview {
  changes: FieldChange[];
}

/** What taking it back would change, before it is done. */
function Undo({ of, close }: { of: Detail; close: () => void }): JSX.Element {
  const path = `/revisions/${of.revision}/rollback`;
  const inverse = useQuery(`inverse of ${of.revision}`, () => post<Preview>(`${path}?dry_run=true`));
  const title = t("revision.undo_title", { n: count(of.revision) });
  if (!inverse.data) {
    return (
      <Dialog title={title} close={close}>
        <Waiting of={inverse} />
      </Dialog>
    );
  }
  const run = async (): Promise<void> => {
    await post(path);
    changed();
  };
  return (
    <Confirm title={title} text={t("revision.undo_note")} name={String(of.revision)} action={t("revision.undo")} run={run} close={close}>
      <Changes of={inverse.data.changes} />
    </Confirm>
  );
}
