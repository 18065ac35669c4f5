// Alerts: what somebody is to know until somebody says that they have looked, and the webhooks that are told.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { post } from "../api/http.ts";
import type { Alert } from "../api/alerts.ts";
import { ago, dateTime } from "../format/number.ts";
import { Card, Choice, Empty, Trouble, Waiting } from "../part/card.tsx";
import { Evidence } from "../part/evidence.tsx";
import { More } from "../part/more.tsx";
import { address, ask } from "../state/address.ts";
import { nameOf, useNames } from "../state/names.ts";
import { usePages } from "../state/pages.ts";
import { changed } from "../state/query.ts";
import { isOfPlatform, mayManage } from "../state/session.ts";
import { named, t } from "../text/text.ts";
import { Webhooks } from "./webhooks.tsx";

const STATES = ["open", "acknowledged"] as const;
const FRESH_MS = 10_000;

export function Alerts(): JSX.Element {
  const state = STATES.find((one) => one === address.value.query.get("state")) ?? "open";
  const rows = usePages<Alert>("/alerts", { state }, FRESH_MS);
  return (
    <>
      <div class="toolbar">
        <Choice label={t("state")} of={STATES} now={state} word={(one) => t(`anomaly.${one}`)} choose={(one) => ask({ state: one === "open" ? undefined : one })} />
      </div>
      <Waiting of={rows} />
      {rows.data?.length === 0 && (
        <Card>
          <Empty>{t(state === "open" ? "alert.none" : "anomaly.no_acknowledged")}</Empty>
        </Card>
      )}
      {rows.data?.map((alert) => <One key={alert.id} of={alert} />)}
      <More of={rows} />
      {isOfPlatform() && <Webhooks />}
    </>
  );
}

function One({ of }: { of: Alert }): JSX.Element {
  const names = useNames();
  const [problem, setProblem] = useState<unknown>(undefined);
  const acknowledge = (): void => void post(`/alerts/${of.id}/acknowledge`).then(changed, setProblem);
  return (
    <Card
      title={of.summary}
      note={
        <>
          {named("alert", of.kind)} · <span title={dateTime(of.at)}>{ago(of.at)}</span>
          {of.team_id !== null && ` · ${nameOf(names.teams, of.team_id)}`}
        </>
      }
      actions={
        of.acknowledged_at !== null ? (
          <span class="note">{t("anomaly.by", { who: of.acknowledged_by ?? "", when: ago(of.acknowledged_at) })}</span>
        ) : (
          mayManage() && (
            <button type="button" class="button small" onClick={acknowledge}>
              {t("anomaly.acknowledge")}
            </button>
          )
        )
      }
    >
      <Evidence of={of.evidence} />
      {problem !== undefined && <Trouble problem={problem} />}
    </Card>
  );
}
