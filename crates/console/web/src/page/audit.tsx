// The audit trail: who did what to what, newest first, with the hash that chains each row to the one before.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { AuditRow } from "../api/types.ts";
import { count, dateTime } from "../format/number.ts";
import { Badge, Card, Choice, Empty, Table, Waiting } from "../part/card.tsx";
import { Dialog } from "../part/dialog.tsx";
import { More } from "../part/more.tsx";
import { changes } from "../format/changes.ts";
import { Diff } from "../part/diff.tsx";
import { Pair } from "../part/pair.tsx";
import { presentRange } from "../part/range-picker.tsx";
import { address, ask } from "../state/address.ts";
import { nameOf, useNames, type Names } from "../state/names.ts";
import { usePages } from "../state/pages.ts";
import { isOfPlatform } from "../state/session.ts";
import { named, t } from "../text/text.ts";
import { Chain } from "./chain.tsx";

const OUTCOMES = ["all", "ok", "denied", "failed"] as const;
const TONES = { ok: "good", denied: "warn", failed: "bad" } as const;

export function Audit(): JSX.Element {
  const { query } = address.value;
  const outcome = OUTCOMES.find((one) => one === query.get("outcome")) ?? "all";
  const action = query.get("action") ?? "";
  const { from, until } = presentRange();
  const rows = usePages<AuditRow>("/audit-logs", { from, to: until, outcome: outcome === "all" ? undefined : outcome, action: action || undefined });
  const [opened, setOpened] = useState<AuditRow | undefined>(undefined);
  const names = useNames();
  return (
    <>
      <div class="toolbar">
        <Choice label={t("audit.outcome")} of={OUTCOMES} now={outcome} word={(one) => t(`outcome.${one}`)} choose={(one) => ask({ outcome: one === "all" ? undefined : one })} />
        <div class="toolbar-end">
          <input type="search" aria-label={t("audit.action")} placeholder={t("audit.action_hint")} value={action} onChange={(event) => ask({ action: event.currentTarget.value || undefined })} />
        </div>
      </div>
      {isOfPlatform() && <Chain />}
      <Waiting of={rows} />
      {rows.data && (
        <Card title={t("audit")} note={t("audit.note")}>
          {rows.data.length === 0 ? (
            <Empty>{t("audit.empty")}</Empty>
          ) : (
            <Table label={t("audit")} head={[["#", "number"], [t("at")], [t("audit.actor")], [t("audit.action")], [t("audit.target")], [t("audit.outcome")], [t("audit.address")]]}>
              {rows.data.map((row) => (
                <tr key={row.seq}>
                  <td class="number">{count(row.seq)}</td>
                  <td>{dateTime(row.at)}</td>
                  <td class="cell-name">{actorOf(row, names)}</td>
                  <td>
                    <button type="button" class="link mono" onClick={() => setOpened(row)}>
                      {row.action}
                    </button>
                  </td>
                  <td class="cell-name mono">{row.target_id ?? row.target_kind ?? "–"}</td>
                  <td>
                    <Badge tone={TONES[row.outcome]}>{t(`outcome.${row.outcome}`)}</Badge>
                  </td>
                  <td class="mono">{row.address ?? "–"}</td>
                </tr>
              ))}
            </Table>
          )}
          <More of={rows} />
        </Card>
      )}
      {opened && <Details of={opened} actor={actorOf(opened, names)} close={() => setOpened(undefined)} />}
    </>
  );
}

/** Who did it, by the best name there is. */
function actorOf(row: AuditRow, names: Names): string {
  if (row.actor_name) return row.actor_name;
  if (row.actor_kind === "key" && row.actor_id) return t("actor.key", { name: nameOf(names.keys, row.actor_id) });
  return named("actor", row.actor_kind);
}

function Details({ of, actor, close }: { of: AuditRow; actor: string; close: () => void }): JSX.Element {
  return (
    <Dialog title={`${of.action} · ${of.seq}`} close={close}>
      <dl class="pairs">
        <Pair word={t("at")} value={dateTime(of.at)} />
        <Pair word={t("audit.actor")} value={actor} />
        <Pair word={t("audit.target")} value={`${of.target_kind ?? ""} ${of.target_id ?? ""}`} />
        {of.detail && <Pair word={t("audit.detail")} value={of.detail} />}
      </dl>
      <What of={of} />
      <h3>{t("audit.hash")}</h3>
      <pre class="code">{of.hash}</pre>
    </Dialog>
  );
}

/** What became another; of a thing that was made or deleted, all of it. */
function What({ of }: { of: AuditRow }): JSX.Element {
  if (of.before !== null && of.after !== null) return <Diff of={changes(of.before, of.after)} />;
  const only = of.after ?? of.before;
  if (only === null) return <></>;
  return (
    <>
      <h3>{t(of.after === null ? "audit.before" : "audit.after")}</h3>
      <pre class="code scroll" tabIndex={0}>{JSON.stringify(only, undefined, 2)}</pre>
    </>
  );
}
