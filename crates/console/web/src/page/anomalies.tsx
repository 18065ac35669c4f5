// Anomalies: what looked wrong, with what was seen, until somebody says that they have looked.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { post } from "../api/http.ts";
import type { Anomaly } from "../api/types.ts";
import { ago, count, dateTime } from "../format/number.ts";
import { Badge, Card, Choice, Empty, Trouble, Waiting } from "../part/card.tsx";
import { Evidence } from "../part/evidence.tsx";
import { More } from "../part/more.tsx";
import { address, ask } from "../state/address.ts";
import { nameOf, useNames, type Names } from "../state/names.ts";
import { usePages } from "../state/pages.ts";
import { changed } from "../state/query.ts";
import { named, t } from "../text/text.ts";

const STATES = ["open", "acknowledged"] as const;

export function Anomalies(): JSX.Element {
  const names = useNames();
  const state = STATES.find((one) => one === address.value.query.get("state")) ?? "open";
  const rows = usePages<Anomaly>("/anomalies", { state });
  return (
    <>
      <div class="toolbar">
        <Choice label={t("state")} of={STATES} now={state} word={(one) => t(`anomaly.${one}`)} choose={(one) => ask({ state: one === "open" ? undefined : one })} />
      </div>
      <Waiting of={rows} />
      {rows.data?.length === 0 && (
        <Card>
          <Empty>{t(`anomaly.no_${state}`)}</Empty>
        </Card>
      )}
      {rows.data?.map((anomaly) => <One key={anomaly.id} of={anomaly} names={names} />)}
      <More of={rows} />
    </>
  );
}

function One({ of, names }: { of: Anomaly; names: Names }): JSX.Element {
  const [problem, setProblem] = useState<unknown>(undefined);
  const acknowledge = async (): Promise<void> => {
    try {
      await post(`/anomalies/${of.id}/acknowledge`);
      changed();
    } catch (error) {
      setProblem(error);
    }
  };
  const whose = [of.team_id && nameOf(names.teams, of.team_id), of.key_id && nameOf(names.keys, of.key_id), of.address].filter((one) => one);
  const actions = of.acknowledged_at === null ? (
    <button type="button" class="button small" onClick={() => void acknowledge()}>
      {t("anomaly.acknowledge")}
    </button>
  ) : (
    <span class="note">{t("anomaly.by", { who: of.acknowledged_by ?? "", when: ago(of.acknowledged_at) })}</span>
  );
  return (
    <Card
      title={named("anomaly_kind", of.kind)}
      note={
        <>
          <span title={dateTime(of.at)}>{ago(of.at)}</span> · <Badge tone={of.count > 1 ? "warn" : "plain"}>{t("anomaly.times", { n: count(of.count) })}</Badge> {whose.join(" · ")}
        </>
      }
      actions={actions}
    >
      <Evidence of={of.evidence} />
      {problem !== undefined && <Trouble problem={problem} />}
    </Card>
  );
}
