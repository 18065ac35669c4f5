// The chain of the audit trail: the last hash of each day, and whether every row is as it was written.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, post } from "../api/http.ts";
import { count } from "../format/number.ts";
import { Badge, Card, Copy, Trouble, Waiting } from "../part/card.tsx";
import { Pair } from "../part/pair.tsx";
import { useQuery } from "../state/query.ts";
import { t } from "../text/text.ts";

interface Anchors {
  data: { day: string; last_seq: number; last_hash: string }[];
}

interface Verdict {
  outcome: "whole" | "broken" | "unfinished";
  rows: number;
  seq: number | null;
  what: string | null;
}

const TONES = { whole: "good", broken: "bad", unfinished: "warn" } as const;

/** The last hash of each day: whoever keeps one elsewhere can tell later that no row before it was changed. */
export function Chain(): JSX.Element {
  const anchors = useQuery("anchors", async (signal) => (await get<Anchors>("/audit-logs/anchors", {}, signal)).data);
  const last = anchors.data?.at(-1);
  if (!last) return <Waiting of={anchors} />;
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
      <Walk />
    </Card>
  );
}

/** Walks the chain when somebody wishes it, and says what came of it. */
function Walk(): JSX.Element {
  const [isBusy, setBusy] = useState(false);
  const [verdict, setVerdict] = useState<Verdict | undefined>(undefined);
  const [problem, setProblem] = useState<unknown>(undefined);
  const walk = (): void => {
    setBusy(true);
    setVerdict(undefined);
    setProblem(undefined);
    post<Verdict>("/audit-logs/verify")
      .then(setVerdict, setProblem)
      .finally(() => setBusy(false));
  };
  return (
    <div class="chain-walk">
      <button type="button" class="button" disabled={isBusy} onClick={walk}>
        {t(isBusy ? "chain.walking" : "chain.walk")}
      </button>
      <div role="status">
        {verdict && (
          <p>
            <Badge tone={TONES[verdict.outcome]}>{t(`chain.${verdict.outcome}`)}</Badge> {told(verdict)}
          </p>
        )}
      </div>
      {problem !== undefined && <Trouble problem={problem} />}
      <p class="note">
        {t("chain.verify")} <span class="mono">nexus audit verify --anchors FILE</span>
      </p>
    </div>
  );
}

function told({ outcome, rows, seq, what }: Verdict): string {
  if (outcome === "broken") return t("chain.broken_at", { seq: count(seq ?? 0), what: what ?? "" });
  return t(outcome === "whole" ? "chain.whole_rows" : "chain.unfinished_rows", { n: count(rows) });
}
