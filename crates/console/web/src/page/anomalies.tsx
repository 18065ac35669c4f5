// Anomalies: what looked wrong and when, what was seen beside what is usual, and what can be done about it at once.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, patch, post, remove } from "../api/http.ts";
import type { Anomaly, Key } from "../api/types.ts";
import { Chart, type Series } from "../chart/chart.tsx";
import { ago, count, dateTime, short } from "../format/number.ts";
import { Badge, Card, Choice, Empty, Trouble, Waiting } from "../part/card.tsx";
import { Confirm } from "../part/dialog.tsx";
import { Evidence } from "../part/evidence.tsx";
import { Form } from "../part/form.tsx";
import { More } from "../part/more.tsx";
import { NormalRange, seenIn } from "../part/normal-range.tsx";
import { address, ask, href } from "../state/address.ts";
import { nameOf, useNames, type Names } from "../state/names.ts";
import { usePages } from "../state/pages.ts";
import { changed } from "../state/query.ts";
import { DAY, HOUR } from "../state/range.ts";
import { mayManage } from "../state/session.ts";
import { named, t } from "../text/text.ts";

const STATES = ["open", "acknowledged"] as const;
const FRESH_MS = 10_000;
/** Days of the timeline. */
const DAYS = 30;

type Doing = { kind: "throttle" | "revoke"; key: Key };

export function Anomalies(): JSX.Element {
  const names = useNames();
  const state = STATES.find((one) => one === address.value.query.get("state")) ?? "open";
  const rows = usePages<Anomaly>("/anomalies", { state }, FRESH_MS);
  const [doing, setDoing] = useState<Doing | undefined>(undefined);
  const close = (): void => setDoing(undefined);
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
      {rows.data && rows.data.length > 0 && <Timeline of={rows.data} />}
      {rows.data?.map((anomaly) => <One key={anomaly.id} of={anomaly} names={names} act={setDoing} />)}
      <More of={rows} />
      {doing?.kind === "throttle" && (
        <Form title={t("anomaly.throttle_title", { name: doing.key.name })} fields={[{ name: "rate_limit", word: "limit.requests", kind: "number" }]} from={{ rate_limit: doing.key.rate_limit }} action={t("save")} isChange close={close} send={async (values) => {
          await patch(`/keys/${doing.key.id}`, doing.key.version, values);
          changed();
        }} />
      )}
      {doing?.kind === "revoke" && (
        <Confirm title={t("key.revoke")} text={t("key.revoke_note")} name={doing.key.name || doing.key.last_four} action={t("key.revoke")} close={close} run={async () => {
          await remove(`/keys/${doing.key.id}`);
          changed();
        }} />
      )}
    </>
  );
}

/** How often which kind was seen, by the day. */
function Timeline({ of }: { of: Anomaly[] }): JSX.Element {
  const today = Math.floor(Date.now() / 1000 / DAY) * DAY;
  const at = Array.from({ length: DAYS }, (_, index) => today - (DAYS - 1 - index) * DAY);
  const kinds = [...new Set(of.map(({ kind }) => kind))];
  const series = kinds.map((kind, index): Series => {
    const own = of.filter((one) => one.kind === kind);
    return { name: named("anomaly_kind", kind), colour: (index % 8) + 1, values: at.map((day) => own.filter((one) => one.at >= day && one.at < day + DAY).reduce((sum, one) => sum + one.count, 0)) };
  });
  return (
    <Card title={t("anomaly.timeline")} note={t("anomaly.timeline_note")}>
      <Chart kind="bars" at={at} step={DAY} series={series} label={t("anomaly.timeline")} format={short} height={140} />
    </Card>
  );
}

function One({ of, names, act }: { of: Anomaly; names: Names; act: (doing: Doing) => void }): JSX.Element {
  const [problem, setProblem] = useState<unknown>(undefined);
  const acknowledge = (): void => void post(`/anomalies/${of.id}/acknowledge`).then(changed, setProblem);
  const about = (kind: Doing["kind"]): void => void get<Key>(`/keys/${of.key_id}`).then((key) => act({ kind, key }), setProblem);
  const whose = [of.team_id && nameOf(names.teams, of.team_id), of.key_id && nameOf(names.keys, of.key_id), of.address].filter((one) => one);
  const seen = seenIn(of.evidence);
  return (
    <Card
      title={named("anomaly_kind", of.kind)}
      note={
        <>
          <span title={dateTime(of.at)}>{ago(of.at)}</span> · <Badge tone={of.count > 1 ? "warn" : "plain"}>{t("anomaly.times", { n: count(of.count) })}</Badge> {whose.join(" · ")}
        </>
      }
      actions={
        <div class="row-actions">
          {of.key_id !== null && (
            <a class="button small" href={href("requests", { range: undefined, key: of.key_id, from: String(of.at - HOUR), until: String(of.at + HOUR) })}>
              {t("log")}
            </a>
          )}
          {of.key_id !== null && mayManage() && (
            <>
              <button type="button" class="button small" onClick={() => about("throttle")}>
                {t("anomaly.throttle")}
              </button>
              <button type="button" class="button small danger" onClick={() => about("revoke")}>
                {t("key.revoke")}
              </button>
            </>
          )}
          {of.acknowledged_at === null && mayManage() && (
            <button type="button" class="button small" onClick={acknowledge}>
              {t("anomaly.acknowledge")}
            </button>
          )}
        </div>
      }
    >
      {of.acknowledged_at !== null && <p class="note">{t("anomaly.by", { who: of.acknowledged_by ?? "", when: ago(of.acknowledged_at) })}</p>}
      {seen ? <NormalRange of={seen} /> : <Evidence of={of.evidence} />}
      {problem !== undefined && <Trouble problem={problem} />}
    </Card>
  );
}
