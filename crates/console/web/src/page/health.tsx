// Provider health: every provider and every model behind it, as this node sees them this second.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, list } from "../api/http.ts";
import type { Condition, Health, Provider, Span, Target } from "../api/types.ts";
import { Spark } from "../chart/spark.tsx";
import { count, milliseconds, percent } from "../format/number.ts";
import { Badge, Card, Choice, Empty, Waiting } from "../part/card.tsx";
import { Meter } from "../part/meter.tsx";
import { href } from "../state/address.ts";
import { health, targetKey, trends, useLive } from "../state/live.ts";
import { useQuery } from "../state/query.ts";
import { t } from "../text/text.ts";
import { TargetDetails } from "./target.tsx";

export const SPANS = ["last_minute", "last_five_minutes", "last_hour", "last_day"] as const;
export type SpanName = (typeof SPANS)[number];

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

/** Providers whose pools are asked for, and how often. */
const POOLS_MAX = 50;
const POOLS_FRESH_MS = 5000;

/** Below it a target that answers is shaky. */
const WELL_SHARE = 0.95;

export function share(span: Span): number | undefined {
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
  const pools = useQuery("pools", loadPools, POOLS_FRESH_MS);
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
        <Card key={provider} title={provider} note={summary(targets, span)} actions={<Keys of={pools.data?.get(provider)} />}>
          <ul class="cells">
            {targets.map((target) => (
              <li key={`${target.real_name} ${target.region ?? ""}`}>
                <Cell target={target} span={span} open={() => setOpened(target)} />
              </li>
            ))}
          </ul>
        </Card>
      ))}
      {shown && <TargetDetails target={shown} close={() => setOpened(undefined)} />}
    </>
  );
}

interface Pool {
  id: string;
  conditions: Condition[];
}

/** The pools of all providers, by their names. */
async function loadPools(signal: AbortSignal): Promise<Map<string, Pool>> {
  const providers = (await list<Provider>("/providers", {}, signal)).filter((provider) => provider.is_active);
  const pools = providers.slice(0, POOLS_MAX).map(async ({ id, name }): Promise<[string, Pool]> => {
    const { data } = await get<{ data: Condition[] }>(`/providers/${id}/pool`, {}, signal);
    return [name, { id, conditions: data }];
  });
  return new Map(await Promise.all(pools));
}

/** How many of a provider's keys take requests. */
function Keys({ of }: { of: Pool | undefined }): JSX.Element | null {
  if (!of || of.conditions.length === 0) return null;
  const good = of.conditions.filter(({ state }) => state === "good").length;
  const all = of.conditions.length;
  return (
    <a class="plain" href={href(`providers/${of.id}`)}>
      <Badge tone={good === all ? "good" : good === 0 ? "bad" : "warn"}>{t("health.keys", { good: count(good), all: count(all) })}</Badge>
    </a>
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
  const models = t(targets.length === 1 ? "health.model" : "health.models", { n: count(targets.length), requests: count(requests) });
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
      <Spark values={trends.value.get(targetKey(target)) ?? []} width={240} height={26} tone={state === "open" ? "bad" : "1"} />
      <span class="cell-figures">
        <Small word={t("health.answered")} value={answered === undefined ? "–" : percent(answered)} />
        <Small word="p50" value={milliseconds(of.latency_ms.p50)} />
        <Small word="p95" value={milliseconds(of.latency_ms.p95)} />
        <Small word={t("first_token")} value={milliseconds(of.first_token_ms.p50)} />
        <Small word={t("requests")} value={count(of.requests)} />
        <Small word={t("live.under_way")} value={count(target.in_flight)} />
      </span>
      {target.learned && <Left of={target.learned} />}
    </button>
  );
}

/** What the provider said last is left of its limits, of whichever there is less. */
function Left({ of }: { of: NonNullable<Target["learned"]> }): JSX.Element | null {
  const kinds = [
    [t("health.requests_left"), of.requests_remaining, of.requests_limit],
    [t("health.tokens_left"), of.tokens_remaining, of.tokens_limit],
  ] as const;
  const known = kinds.flatMap(([word, left, limit]) => (left === null || limit === null || limit === 0 ? [] : [{ word, left, limit }]));
  const [least] = known.sort((a, b) => a.left / a.limit - b.left / b.limit);
  return least ? <Meter used={1 - least.left / least.limit} text={`${least.word}: ${count(least.left)} / ${count(least.limit)}`} /> : null;
}

function Small({ word, value }: { word: string; value: string }): JSX.Element {
  return (
    <span class="small-figure">
      <span>{word}</span>
      <b>{value}</b>
    </span>
  );
}
