// Provider health: every provider and every model behind it, as this node sees them this second.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, post } from "../api/http.ts";
import type { Health, Span, Target } from "../api/types.ts";
import { count, milliseconds, percent } from "../format/number.ts";
import { Badge, Card, Choice, Empty, Trouble, Waiting } from "../part/card.tsx";
import { Dialog } from "../part/dialog.tsx";
import { Pair } from "../part/pair.tsx";
import { health, useLive } from "../state/live.ts";
import { changed, useQuery } from "../state/query.ts";
import { named, t } from "../text/text.ts";

const SPANS = ["last_minute", "last_five_minutes", "last_hour", "last_day"] as const;
type SpanName = (typeof SPANS)[number];

/** What says at a glance how a target is. */
type State = "well" | "shaky" | "resting" | "half_open" | "open" | "idle";

const TONES: Record<State, "good" | "warn" | "bad" | "plain"> = {
  well: "good",
  shaky: "warn",
  resting: "warn",
  half_open: "warn",
  open: "bad",
  idle: "plain",
};

/** Below it a target that answers is shaky. */
const WELL_SHARE = 0.95;

function share(span: Span): number | undefined {
  return span.requests === 0 ? undefined : span.answered / span.requests;
}

function stateOf(target: Target, span: SpanName): State {
  if (target.breaker !== "closed") return target.breaker;
  if (target.resting_for_ms !== null) return "resting";
  const answered = share(target[span]);
  if (answered === undefined) return target.check?.fault ? "shaky" : "idle";
  return answered < WELL_SHARE ? "shaky" : "well";
}

export function HealthPage(): JSX.Element {
  useLive();
  const first = useQuery("health", (signal) => get<Health>("/health/providers", {}, signal));
  const [span, setSpan] = useState<SpanName>("last_five_minutes");
  const [opened, setOpened] = useState<Target | undefined>(undefined);
  const now = health.value ?? first.data;
  if (!now) return <Waiting of={first} />;
  const rows = matrix(now.targets);
  const shown = opened && now.targets.find((target) => isSame(target, opened));
  return (
    <>
      <div class="toolbar">
        <Choice label={t("health.span")} of={SPANS} now={span} word={(one) => t(`health.${one}`)} choose={setSpan} />
        <p class="note">{t("health.retries", { n: count(now.retries_left) })}</p>
      </div>
      {rows.length === 0 && (
        <Card>
          <Empty>{t("health.empty")}</Empty>
        </Card>
      )}
      {rows.map(([provider, targets]) => (
        <Card key={provider} title={provider} note={summary(targets, span)}>
          <ul class="cells">
            {targets.map((target) => (
              <li key={`${target.real_name} ${target.region ?? ""}`}>
                <Cell target={target} span={span} open={() => setOpened(target)} />
              </li>
            ))}
          </ul>
        </Card>
      ))}
      {shown && <Details target={shown} close={() => setOpened(undefined)} />}
    </>
  );
}

function isSame(a: Target, b: Target): boolean {
  return a.provider === b.provider && a.real_name === b.real_name && a.region === b.region;
}

function matrix(targets: Target[]): [string, Target[]][] {
  const rows = new Map<string, Target[]>();
  for (const target of targets) rows.set(target.provider, [...(rows.get(target.provider) ?? []), target]);
  return [...rows];
}

function summary(targets: Target[], span: SpanName): string {
  const requests = targets.reduce((total, target) => total + target[span].requests, 0);
  const open = targets.filter((target) => target.breaker === "open").length;
  const models = t("health.models", { n: count(targets.length), requests: count(requests) });
  return open === 0 ? models : `${models} · ${t("health.open_count", { n: count(open) })}`;
}

function Cell({ target, span, open }: { target: Target; span: SpanName; open: () => void }): JSX.Element {
  const state = stateOf(target, span);
  const of = target[span];
  const answered = share(of);
  return (
    <button type="button" class={`cell is-${state}`} onClick={open}>
      <span class="cell-head">
        <span class="cell-model">{target.region ? `${target.real_name} · ${target.region}` : target.real_name}</span>
        <Badge tone={TONES[state]}>{t(`health.${state}`)}</Badge>
      </span>
      <span class="cell-share" aria-hidden="true">
        <span style={{ width: `${(answered ?? 0) * 100}%` }} />
      </span>
      <span class="cell-figures">
        <Small word={t("health.answered")} value={answered === undefined ? "–" : percent(answered)} />
        <Small word="p50" value={milliseconds(of.latency_ms.p50)} />
        <Small word="p95" value={milliseconds(of.latency_ms.p95)} />
        <Small word={t("first_token")} value={milliseconds(of.first_token_ms.p50)} />
        <Small word={t("requests")} value={count(of.requests)} />
        <Small word={t("live.under_way")} value={count(target.in_flight)} />
      </span>
    </button>
  );
}

function Small({ word, value }: { word: string; value: string }): JSX.Element {
  return (
    <span class="small-figure">
      <span>{word}</span>
      <b>{value}</b>
    </span>
  );
}

function Details({ target, close }: { target: Target; close: () => void }): JSX.Element {
  const [problem, setProblem] = useState<unknown>(undefined);
  const reset = async (): Promise<void> => {
    try {
      await post(`/model-routes/${target.model_route_id}/reset`);
      setProblem(undefined);
      changed();
    } catch (error) {
      setProblem(error);
    }
  };
  const { learned, check } = target;
  const left = (remaining: number | null, limit: number | null): string =>
    remaining === null ? "–" : limit === null ? count(remaining) : `${count(remaining)} / ${count(limit)}`;
  return (
    <Dialog title={`${target.provider} · ${target.real_name}`} close={close}>
      <dl class="pairs">
        <Pair word={t("health.breaker")} value={t(`health.${target.breaker}`)} />
        {target.open_for_ms !== null && <Pair word={t("health.open_for")} value={milliseconds(target.open_for_ms)} />}
        {target.resting_for_ms !== null && <Pair word={t("health.resting_for")} value={milliseconds(target.resting_for_ms)} />}
        {learned && <Pair word={t("health.requests_left")} value={left(learned.requests_remaining, learned.requests_limit)} />}
        {learned && <Pair word={t("health.tokens_left")} value={left(learned.tokens_remaining, learned.tokens_limit)} />}
        {check && <Pair word={t("health.check")} value={check.fault ? named("fault", check.fault) : milliseconds(check.latency_ms)} />}
        <Pair word={t("health.pace")} value={milliseconds(target.first_token_ms)} />
      </dl>
      <div class="table" role="region" aria-label={t("health.spans")} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("health.span")}</th>
              <th scope="col" class="number">{t("requests")}</th>
              <th scope="col" class="number">{t("health.answered")}</th>
              <th scope="col" class="number">p95</th>
              <th scope="col">{t("health.faults")}</th>
            </tr>
          </thead>
          <tbody>
            {SPANS.map((span) => (
              <SpanRow key={span} name={span} span={target[span]} />
            ))}
          </tbody>
        </table>
      </div>
      {problem !== undefined && <Trouble problem={problem} />}
      <div class="dialog-actions">
        <button type="button" class="button" disabled={target.breaker === "closed" && target.resting_for_ms === null} onClick={() => void reset()}>
          {t("health.reset")}
        </button>
      </div>
    </Dialog>
  );
}

function SpanRow({ name, span }: { name: SpanName; span: Span }): JSX.Element {
  const answered = share(span);
  const faults = Object.entries(span.failed).map(([fault, n]) => `${named("fault", fault)} ${count(n)}`);
  return (
    <tr>
      <th scope="row">{t(`health.${name}`)}</th>
      <td class="number">{count(span.requests)}</td>
      <td class="number">{answered === undefined ? "–" : percent(answered)}</td>
      <td class="number">{milliseconds(span.latency_ms.p95)}</td>
      <td>{faults.join(", ") || "–"}</td>
    </tr>
  );
}
