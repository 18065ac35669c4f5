// Settings of the platform, how this node is, and the chain of the audit trail.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, list, put } from "../api/http.ts";
import { ago, bytes, count } from "../format/number.ts";
import { Badge, Card, Copy, Table, Waiting } from "../part/card.tsx";
import { Form } from "../part/form.tsx";
import { Pair } from "../part/pair.tsx";
import { changed, useQuery } from "../state/query.ts";
import { mayPlatform } from "../state/session.ts";
import { named, t } from "../text/text.ts";
import { Configuration } from "./configuration.tsx";

interface Setting {
  name: string;
  about: string;
  value: number;
  is_default: boolean;
  least: number;
  most: number;
}

/** What a node does without for a while. */
type Mode = "database_away" | "kept_world" | "sharing_away";

interface Node {
  version: string;
  uptime_s: number;
  is_draining: boolean;
  degraded: Mode[];
  database: { is_ok: boolean; world_revision: number | null; pending_journal_bytes: number };
  providers: number;
}

const FRESH_MS = 3000;

export function Settings(): JSX.Element {
  const settings = useQuery("settings", (signal) => list<Setting>("/settings", {}, signal));
  const [edited, setEdited] = useState<Setting | undefined>(undefined);
  return (
    <>
      <ThisNode />
      <Waiting of={settings} />
      {settings.data && (
        <Card title={t("settings")} note={t("setting.note")}>
          <Table label={t("settings")} head={[[t("name")], [t("setting.value"), "number"], [t("setting.bounds"), "number"], [t("actions"), "number"]]}>
            {settings.data.map((setting) => (
              <tr key={setting.name} data-name={setting.name}>
                <td>
                  <span class="mono">{setting.name}</span>
                  <p class="note">{named("setting_about", setting.name) === setting.name ? setting.about : named("setting_about", setting.name)}</p>
                </td>
                <td class="number">
                  {count(setting.value)}
                  {setting.is_default && <p class="note">{t("setting.usual")}</p>}
                </td>
                <td class="number">
                  {count(setting.least)} – {count(setting.most)}
                </td>
                <td class="number">
                  {mayPlatform() && (
                    <button type="button" class="button small" onClick={() => setEdited(setting)}>
                      {t("edit")}
                    </button>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        </Card>
      )}
      <Configuration />
      {edited && (
        <Form title={edited.name} note={edited.about} fields={[{ name: "value", word: "setting.value", kind: "number", isRequired: true }]} from={{ value: edited.value }} action={t("save")} isChange close={() => setEdited(undefined)} send={async (values) => {
          await put(`/settings/${edited.name}`, values);
          changed();
        }} />
      )}
    </>
  );
}

function ThisNode(): JSX.Element {
  const node = useQuery("node", (signal) => get<Node>("/health", {}, signal), FRESH_MS);
  const { data } = node;
  if (!data) return <Waiting of={node} />;
  return (
    <Card title={t("node")} note={t("node.note")} actions={<Badge tone={data.degraded.length === 0 && !data.is_draining ? "good" : "warn"}>{t(data.is_draining ? "node.draining" : data.degraded.length === 0 ? "node.well" : "node.without")}</Badge>}>
      <dl class="pairs">
        {data.degraded.map((mode) => (
          <Pair key={mode} word={t("node.without")} value={t(`node.${mode}`)} />
        ))}
        <Pair word={t("node.version")} value={data.version} />
        <Pair word={t("node.since")} value={ago(Date.now() / 1000 - data.uptime_s)} />
        <Pair word={t("node.revision")} value={data.database.world_revision === null ? "–" : count(data.database.world_revision)} />
        <Pair word={t("node.journal")} value={bytes(data.database.pending_journal_bytes)} />
        <Pair word={t("providers")} value={count(data.providers)} />
      </dl>
    </Card>
  );
}

interface Anchors {
  data: { day: string; last_seq: number; last_hash: string }[];
}

/** The last hash of each day: whoever keeps one elsewhere can tell later that no row before it was changed. */
export function Chain(): JSX.Element {
  const anchors = useQuery("anchors", async (signal) => (await get<Anchors>("/audit-logs/anchors", {}, signal)).data);
  const last = anchors.data?.at(-1);
  if (!last) return <Waiting of={anchors} />;
  const command = "nexus audit verify";
  return (
    <Card title={t("chain")} note={t("chain.note")} actions={<Copy text={JSON.stringify(anchors.data)} label={t("chain.copy")} />}>
      <dl class="pairs">
        <Pair word={t("chain.rows")} value={count(last.last_seq)} />
        <Pair word={t("chain.days")} value={count(anchors.data?.length ?? 0)} />
        <Pair word={t("chain.from")} value={anchors.data?.[0]?.day ?? "–"} />
      </dl>
      <p class="id-line">
        <span class="mono">{last.last_hash}</span>
      </p>
      <p class="note">
        {t("chain.verify")} <span class="mono">{command}</span>
      </p>
    </Card>
  );
}
