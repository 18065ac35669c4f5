// Nodes: who they are, how far each has come with the configuration, and what each alone does for all of them.

import type { JSX } from "preact";
import { get, list } from "../api/http.ts";
import { ago, bytes, count, dateTime } from "../format/number.ts";
import { Badge, Card, Empty, Table, Waiting } from "../part/card.tsx";
import { Pair } from "../part/pair.tsx";
import { useQuery } from "../state/query.ts";
import { named, t } from "../text/text.ts";

export interface Node {
  id: string;
  name: string;
  role: string;
  zone: string | null;
  version: string;
  world_revision: number;
  requests_in_flight: number;
  is_here: boolean;
  is_this: boolean;
  jobs: string[];
  started_at: number;
  seen_at: number;
}

/** How the node that answers is. */
interface Own {
  version: string;
  uptime_s: number;
  is_draining: boolean;
  /** What it does without; a node of the version before does not say. */
  degraded?: string[];
  database: { is_ok: boolean; world_revision: number | null; pending_journal_bytes: number };
  providers: number;
}

const FRESH_MS = 3000;

export function Nodes(): JSX.Element {
  const own = useQuery("node", (signal) => get<Own>("/health", {}, signal), FRESH_MS);
  const nodes = useQuery("nodes", (signal) => list<Node>("/nodes", {}, signal), FRESH_MS);
  const newest = Math.max(own.data?.database.world_revision ?? 0, ...(nodes.data ?? []).map((node) => node.world_revision));
  return (
    <>
      <Waiting of={own} />
      {own.data && <ThisNode of={own.data} />}
      <Waiting of={nodes} />
      {nodes.data && <All nodes={nodes.data} newest={newest} />}
    </>
  );
}

function ThisNode({ of }: { of: Own }): JSX.Element {
  const { database, degraded = [], is_draining } = of;
  const isWell = database.is_ok && degraded.length === 0 && !is_draining;
  return (
    <Card title={t("node")} note={t("node.note")} actions={<Badge tone={isWell ? "good" : "warn"}>{t(is_draining ? "node.draining" : isWell ? "node.well" : "node.degraded")}</Badge>}>
      {degraded.length > 0 && (
        <ul class="warning degraded">
          {degraded.map((mode) => (
            <li key={mode}>{named("degraded", mode)}</li>
          ))}
        </ul>
      )}
      <dl class="pairs">
        <Pair word={t("node.version")} value={of.version} />
        <Pair word={t("node.since")} value={ago(Date.now() / 1000 - of.uptime_s)} />
        <Pair word={t("node.revision")} value={database.world_revision === null ? "–" : count(database.world_revision)} />
        <Pair word={t("node.journal")} value={bytes(database.pending_journal_bytes)} />
        <Pair word={t("providers")} value={count(of.providers)} />
      </dl>
    </Card>
  );
}

function All({ nodes, newest }: { nodes: Node[]; newest: number }): JSX.Element {
  const here = nodes.filter((node) => node.is_here).length;
  return (
    <Card title={t("nodes")} note={t("nodes.note", { here: count(here), all: count(nodes.length) })}>
      {nodes.length === 0 ? (
        <Empty>{t("nodes.empty")}</Empty>
      ) : (
        <Table label={t("nodes")} head={[[t("name")], [t("state")], [t("node.applied"), "number"], [t("live.under_way"), "number"], [t("node.jobs")], [t("node.version")], [t("node.since")], [t("node.seen")]]}>
          {nodes.map((node) => (
            <One key={node.id} of={node} newest={newest} />
          ))}
        </Table>
      )}
    </Card>
  );
}

function One({ of, newest }: { of: Node; newest: number }): JSX.Element {
  const behind = newest - of.world_revision;
  return (
    <tr data-node={of.id}>
      <td class="cell-name" title={of.id}>
        {of.name} {of.is_this && <Badge tone="plain">{t("node.this")}</Badge>}
        <p class="note">{[named("node_role", of.role), of.zone].filter((part) => part !== null).join(" · ")}</p>
      </td>
      <td>
        <Badge tone={of.is_here ? "good" : "bad"}>{t(of.is_here ? "node.here" : "node.gone")}</Badge>
      </td>
      <td class="number">
        {count(of.world_revision)}
        {of.is_here && behind > 0 && <p>
            <Badge tone="warn">{t("node.behind", { n: count(behind) })}</Badge>
          </p>}
      </td>
      <td class="number">{of.is_here ? count(of.requests_in_flight) : "–"}</td>
      <td>{of.jobs.length === 0 ? "–" : of.jobs.map((job) => named("job", job)).join(", ")}</td>
      <td>{of.version}</td>
      <td title={dateTime(of.started_at)}>{ago(of.started_at)}</td>
      <td title={dateTime(of.seen_at)}>{ago(of.seen_at)}</td>
    </tr>
  );
}
