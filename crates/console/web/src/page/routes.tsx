// Routes: what each alias leads to and how its requests are split. Weights are moved here and saved together.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { list, patch, post, remove } from "../api/http.ts";
import type { Provider, Route, Rule } from "../api/types.ts";
import { percent } from "../format/number.ts";
import { split, weightOf } from "../format/split.ts";
import { Badge, Card, Empty, Trouble, Waiting } from "../part/card.tsx";
import { Confirm } from "../part/dialog.tsx";
import { Diff } from "../part/diff.tsx";
import { Form, words, type Field, type Values } from "../part/form.tsx";
import { Icon } from "../part/icon.tsx";
import { changed, useQuery } from "../state/query.ts";
import { isOfPlatform, mayPlatform } from "../state/session.ts";
import { t } from "../text/text.ts";
import { Explain } from "./explain.tsx";
import { RuleLine } from "./rule.tsx";

interface All {
  routes: Route[];
  providers: Provider[];
  rules: Rule[];
}

async function load(signal: AbortSignal): Promise<All> {
  const [routes, providers, rules] = await Promise.all([
    list<Route>("/model-routes", {}, signal),
    isOfPlatform() ? list<Provider>("/providers", {}, signal) : [],
    list<Rule>("/routing-rules", {}, signal),
  ]);
  return { routes, providers, rules };
}

type Doing = { kind: "new"; alias: string } | { kind: "edit" | "delete"; route: Route };

export function Routes(): JSX.Element {
  const all = useQuery("routes", load);
  const [doing, setDoing] = useState<Doing | undefined>(undefined);
  const { routes = [], providers = [], rules = [] } = all.data ?? {};
  const aliases = [...new Set([...routes.map((route) => route.alias), ...rules.map((rule) => rule.alias)])].sort();
  const close = (): void => setDoing(undefined);
  return (
    <>
      <Explain />
      <div class="toolbar">
        <p class="note">{t("route.note")}</p>
        {mayPlatform() && (
          <button type="button" class="button primary" onClick={() => setDoing({ kind: "new", alias: "" })}>
            <Icon name="plus" />
            {t("route.new")}
          </button>
        )}
      </div>
      <Waiting of={all} />
      {all.data && aliases.length === 0 && (
        <Card>
          <Empty>{t("route.empty")}</Empty>
        </Card>
      )}
      {aliases.map((alias) => (
        <Alias key={alias} alias={alias} routes={routes.filter((route) => route.alias === alias)} providers={providers} rules={rules.filter((rule) => rule.alias === alias)} act={setDoing} />
      ))}
      {doing?.kind === "new" && <RouteForm providers={providers} alias={doing.alias} close={close} />}
      {doing?.kind === "edit" && <RouteForm providers={providers} route={doing.route} alias={doing.route.alias} close={close} />}
      {doing?.kind === "delete" && (
        <Confirm title={t("remove.title", { name: doing.route.alias })} text={t("route.delete")} name={doing.route.alias} action={t("remove")} close={close} run={async () => {
          await remove(`/model-routes/${doing.route.id}`);
          changed();
        }} />
      )}
    </>
  );
}

/** The most a slider goes to, unless a weight is more. */
const WEIGHT_MAX = 100;

function Alias({ alias, routes, providers, rules, act }: { alias: string; routes: Route[]; providers: Provider[]; rules: Rule[]; act: (doing: Doing) => void }): JSX.Element {
  const [moved, setMoved] = useState<Record<string, number>>({});
  const [problem, setProblem] = useState<unknown>(undefined);
  const weights = new Map(providers.map((provider) => [provider.id, provider.weight]));
  const names = new Map(providers.map((provider) => [provider.id, provider.name]));
  const was = (route: Route): number => weightOf(route, weights);
  const now = (route: Route): number => moved[route.id] ?? was(route);
  const targetOf = (route: Route): string => `${names.get(route.provider_id) ?? `…${route.provider_id.slice(-8)}`} · ${route.real_name}`;
  const others = routes.filter((route) => now(route) !== was(route));
  const most = Math.max(WEIGHT_MAX, ...routes.map(was));
  const shares = split(routes, now);
  const save = (): void => {
    Promise.all(others.map((route) => patch(`/model-routes/${route.id}`, route.version, { weight: now(route) })))
      .then(() => (setMoved({}), setProblem(undefined)), setProblem)
      .finally(changed);
  };
  return (
    <Card
      title={alias}
      note={<RuleLine alias={alias} rules={rules} />}
      actions={
        mayPlatform() && (
          <button type="button" class="button small" aria-label={`${t("route.new")}: ${alias}`} onClick={() => act({ kind: "new", alias })}>
            <Icon name="plus" />
          </button>
        )
      }
    >
      {routes.length > 0 && (
        <div class="split" role="img" aria-label={`${t("route.split", { alias })}: ${shares.map(({ route, share }) => `${targetOf(route)} ${percent(share)}`).join(", ")}`}>
          {shares.map(({ route, share }, index) => share > 0 && <span key={route.id} class={`tone-${(index % 8) + 1}`} style={{ flexGrow: share }} />)}
        </div>
      )}
      <ul class="targets">
        {shares.map(({ route, share }, index) => (
          <li key={route.id} data-route={route.id}>
            <span class={`swatch tone-${(index % 8) + 1}`} />
            <span class="target-name">
              {targetOf(route)}
              {Object.keys(route.region_weights).length > 0 && <span class="note"> {Object.entries(route.region_weights).map(([region, part]) => `${region} ${part}`).join(" · ")}</span>}
            </span>
            <span class="target-tier note">{route.tier > 0 && `${t("route.tier")} ${route.tier}`}</span>
            <input type="range" min={0} max={most} value={now(route)} disabled={!mayPlatform() || !route.is_active} aria-label={`${t("provider.weight")}: ${targetOf(route)}`} onInput={(event) => setMoved({ ...moved, [route.id]: Number(event.currentTarget.value) })} />
            <span class="target-weight">{now(route)}</span>
            <b class="target-share">{route.is_active ? share > 0 ? percent(share) : <Badge tone="plain">{t("route.standby")}</Badge> : <Badge tone="plain">{t("route.off")}</Badge>}</b>
            {mayPlatform() && (
              <span class="row-actions">
                <button type="button" class="button small" onClick={() => act({ kind: "edit", route })}>
                  {t("edit")}
                </button>
                <button type="button" class="button small danger" onClick={() => act({ kind: "delete", route })}>
                  {t("remove")}
                </button>
              </span>
            )}
          </li>
        ))}
      </ul>
      {problem !== undefined && <Trouble problem={problem} />}
      {others.length > 0 && (
        <div class="stack">
          <Diff of={others.map((route) => ({ name: targetOf(route), before: was(route), after: now(route) }))} />
          <div class="dialog-actions">
            <button type="button" class="button" onClick={() => setMoved({})}>
              {t("route.reset")}
            </button>
            <button type="button" class="button primary" onClick={save}>
              {t("route.save")}
            </button>
          </div>
        </div>
      )}
    </Card>
  );
}

function fields(providers: Provider[]): Field[] {
  return [
    { name: "alias", word: "route.alias", isRequired: true, note: "route.alias_note" },
    { name: "provider_id", word: "by.provider", of: providers.map(({ id, name }) => [id, name] as const) },
    { name: "real_name", word: "route.real_name", isNullable: true, note: "route.real_note" },
    { name: "weight", word: "provider.weight", kind: "number", note: "route.weight_note" },
    { name: "tier", word: "route.tier", kind: "number", isRequired: true, note: "route.tier_note" },
    { name: "cost_multiplier", word: "route.multiplier", isRequired: true },
    { name: "rate_limit", word: "limit.requests", kind: "number" },
    { name: "token_limit", word: "limit.tokens", kind: "number" },
    { name: "max_concurrent", word: "limit.concurrent", kind: "number" },
    { name: "regions", word: "route.regions", kind: "list", placeholder: "eastus=60, westus=40", note: "route.regions_note" },
    { name: "is_active", word: "provider.is_active", kind: "check" },
  ];
}

function RouteForm({ providers, route, alias, close }: { providers: Provider[]; route?: Route; alias: string; close: () => void }): JSX.Element {
  const { provider_id, real_name, weight, tier, cost_multiplier, rate_limit, token_limit, max_concurrent, region_weights, is_active } = route ?? {
    provider_id: providers[0]?.id ?? "",
    real_name: null,
    weight: null,
    tier: 0,
    cost_multiplier: "1",
    rate_limit: null,
    token_limit: null,
    max_concurrent: null,
    region_weights: {},
    is_active: true,
  };
  const regions = Object.entries(region_weights).map(([region, part]) => `${region}=${part}`);
  const from: Values = { alias, provider_id, real_name, weight, tier, cost_multiplier, rate_limit, token_limit, max_concurrent, regions, is_active };
  const send = async ({ regions, ...values }: Values): Promise<void> => {
    const pairs = (Array.isArray(regions) ? regions : words(String(regions ?? ""))).map((pair) => pair.split("="));
    const body = { ...values, ...(regions !== undefined && { region_weights: Object.fromEntries(pairs.map(([region, part]) => [region, Number(part)])) }) };
    await (route ? patch(`/model-routes/${route.id}`, route.version, body) : post("/model-routes", body));
    changed();
  };
  return <Form title={route ? route.alias : t("route.new")} fields={fields(providers)} from={from} action={t(route ? "save" : "create")} isChange={route !== undefined} send={send} close={close} />;
}
