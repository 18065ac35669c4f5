// Webhooks: where alerts are sent. A secret, with which messages are signed, is shown once.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { KINDS, type Delivery, type Webhook, type WithSecret } from "../api/alerts.ts";
import { post } from "../api/http.ts";
import { ago, count, dateTime } from "../format/number.ts";
import { Badge, Empty, Table, Trouble, Waiting } from "../part/card.tsx";
import { Confirm, Dialog } from "../part/dialog.tsx";
import type { Field, Values } from "../part/form.tsx";
import { More } from "../part/more.tsx";
import { SecretOnce } from "../part/secret-once.tsx";
import { Things } from "../part/things.tsx";
import { nameOf, useNames, type Names } from "../state/names.ts";
import { usePages } from "../state/pages.ts";
import { changed } from "../state/query.ts";
import { mayPlatform } from "../state/session.ts";
import { named, t } from "../text/text.ts";

const TONES = { pending: "warn", delivered: "good", failed: "bad" } as const;
const FRESH_MS = 2000;

function fields(names: Names, webhook: Webhook | undefined): Field[] {
  return [
    { name: "name", word: "name", isRequired: true },
    { name: "url", word: "webhook.url", isRequired: true, placeholder: "https://hooks.example.com/nexus" },
    ...(webhook ? [] : [{ name: "team_id", word: "by.team", isNullable: true, of: [["", t("webhook.everybody")] as const, ...names.teams] } as const]),
    { name: "kinds", word: "webhook.kinds", kind: "list", placeholder: KINDS.join(", "), note: "webhook.kinds_note" },
    { name: "allow_private_network", word: "provider.private", kind: "check" },
    { name: "is_active", word: "webhook.is_active", kind: "check" },
  ];
}

function valuesOf(webhook: Webhook | undefined): Values {
  const { name, url, team_id, kinds, allow_private_network, is_active } = webhook ?? { name: "", url: "", team_id: null, kinds: [], allow_private_network: false, is_active: true };
  return { name, url, team_id, kinds, allow_private_network, is_active };
}

type Doing = { kind: "secret"; webhook: WithSecret } | { kind: "rotate" | "sent"; webhook: Webhook };

export function Webhooks(): JSX.Element {
  const names = useNames();
  const [doing, setDoing] = useState<Doing | undefined>(undefined);
  const [problem, setProblem] = useState<unknown>(undefined);
  const close = (): void => setDoing(undefined);
  const secret = (webhook: WithSecret): void => setDoing({ kind: "secret", webhook });
  const test = (webhook: Webhook): void => void post(`/webhooks/${webhook.id}/test`).then(() => (setProblem(undefined), setDoing({ kind: "sent", webhook })), setProblem);
  const cells = (webhook: Webhook): JSX.Element => (
    <>
      <td class="cell-name">
        <button type="button" class="link" onClick={() => setDoing({ kind: "sent", webhook })}>
          {webhook.name}
        </button>
      </td>
      <td class="cell-name mono">{webhook.url}</td>
      <td class="cell-name">{webhook.team_id === null ? t("webhook.everybody") : nameOf(names.teams, webhook.team_id)}</td>
      <td class="cell-name">{webhook.kinds.length === 0 ? t("filters.all") : webhook.kinds.map((kind) => named("alert", kind)).join(", ")}</td>
      <td>
        <Badge tone={webhook.is_active ? "good" : "plain"}>{t(webhook.is_active ? "state.active" : "state.disabled")}</Badge>
      </td>
    </>
  );
  const actions = (webhook: Webhook): JSX.Element | false =>
    mayPlatform() && (
      <>
        <button type="button" class="button small" onClick={() => test(webhook)}>
          {t("provider.test")}
        </button>
        <button type="button" class="button small" onClick={() => setDoing({ kind: "rotate", webhook })}>
          {t("webhook.rotate")}
        </button>
      </>
    );
  return (
    <>
      {problem !== undefined && <Trouble problem={problem} />}
      <Things<Webhook>
        of={{
          path: "/webhooks",
          title: t("webhooks"),
          note: t("webhook.note"),
          empty: t("webhook.empty"),
          make: t("webhook.new"),
          deleteNote: t("webhook.delete_note"),
          head: [[t("name")], [t("webhook.url")], [t("by.team")], [t("webhook.kinds")], [t("state")]],
          cells,
          nameOf: (webhook) => webhook.name,
          fields: (webhook) => fields(names, webhook),
          valuesOf,
          actions,
          made: (answer) => secret(answer as WithSecret),
          may: mayPlatform(),
        }}
      />
      {doing?.kind === "secret" && <SecretOnce title={doing.webhook.name} secret={doing.webhook.secret} close={close} />}
      {doing?.kind === "sent" && <Sent of={doing.webhook} close={close} />}
      {doing?.kind === "rotate" && (
        <Confirm title={t("webhook.rotate")} text={t("webhook.rotate_note")} action={t("webhook.rotate")} close={close} run={async () => {
          const made = await post<WithSecret>(`/webhooks/${doing.webhook.id}/rotate-secret`);
          changed();
          // after the window that asked has closed
          setTimeout(() => secret(made));
        }} />
      )}
    </>
  );
}

/** What was and is to be sent. */
function Sent({ of, close }: { of: Webhook; close: () => void }): JSX.Element {
  const rows = usePages<Delivery>(`/webhooks/${of.id}/deliveries`, {}, FRESH_MS);
  return (
    <Dialog title={t("webhook.sent", { name: of.name })} close={close}>
      <Waiting of={rows} />
      {rows.data?.length === 0 && <Empty>{t("webhook.nothing_sent")}</Empty>}
      {rows.data && rows.data.length > 0 && (
        <Table label={t("webhook.sent", { name: of.name })} head={[[t("at")], [t("price.kind")], [t("state")], [t("webhook.tries"), "number"], [t("status")]]}>
          {rows.data.map((delivery) => (
            <tr key={delivery.id}>
              <td title={dateTime(delivery.created_at)}>{ago(delivery.created_at)}</td>
              <td>{named("alert", delivery.kind)}</td>
              <td>
                <Badge tone={TONES[delivery.state]}>{t(`delivery.${delivery.state}`)}</Badge>
                {delivery.next_at !== null && <p class="note">{ago(delivery.next_at)}</p>}
              </td>
              <td class="number">{count(delivery.attempts)}</td>
              <td class="cell-name">{delivery.last_status ?? delivery.last_error ?? "–"}</td>
            </tr>
          ))}
        </Table>
      )}
      <More of={rows} />
    </Dialog>
  );
}
