// Providers: the accounts requests go to. A test asks one for its list of models, which costs nothing.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get } from "../api/http.ts";
import type { Provider, ProviderKind } from "../api/types.ts";
import { count } from "../format/number.ts";
import { Badge } from "../part/card.tsx";
import { words, type Field, type Values } from "../part/form.tsx";
import { Things } from "../part/things.tsx";
import { address, href } from "../state/address.ts";
import { useQuery } from "../state/query.ts";
import { mayPlatform } from "../state/session.ts";
import { t } from "../text/text.ts";
import { Discovery, Test } from "./provider-test.tsx";
import { PoolPage } from "./pool.tsx";

export function Providers(): JSX.Element {
  const [, id] = address.value.page.split("/");
  return id === undefined ? <List /> : <PoolPage key={id} id={id} />;
}

function fields(kinds: ProviderKind[], provider: Provider | undefined): Field[] {
  return [
    { name: "name", word: "name", isRequired: true },
    { name: "kind", word: "provider.kind", of: kinds.map(({ kind, name }) => [kind, name] as const) },
    { name: "endpoint", word: "provider.endpoint", note: "provider.endpoint_note", isNullable: true, isRequired: provider !== undefined },
    { name: "api_key", word: "provider.key", kind: "secret", isNullable: true, note: provider ? "provider.key_note" : "provider.key_new" },
    { name: "options", word: "provider.options", kind: "list", placeholder: "region=eu-west-1", note: "provider.options_note" },
    { name: "weight", word: "provider.weight", kind: "number", isRequired: true },
    { name: "rate_limit", word: "limit.requests", kind: "number" },
    { name: "token_limit", word: "limit.tokens", kind: "number" },
    { name: "max_concurrent", word: "limit.concurrent", kind: "number" },
    { name: "allow_private_network", word: "provider.private", kind: "check" },
    { name: "is_active", word: "provider.is_active", kind: "check" },
  ];
}

const NEW: Values = { name: "", kind: "openai", endpoint: null, api_key: null, options: [], weight: 100, rate_limit: null, token_limit: null, max_concurrent: null, allow_private_network: false, is_active: true };

function valuesOf(provider: Provider | undefined): Values {
  if (!provider) return NEW;
  const { name, kind, endpoint, options, weight, rate_limit, token_limit, max_concurrent, allow_private_network, is_active } = provider;
  const pairs = Object.entries(options).map(([option, value]) => `${option}=${value}`);
  return { name, kind, endpoint, api_key: null, options: pairs, weight, rate_limit, token_limit, max_concurrent, allow_private_network, is_active };
}

/** Options are written as `name=value`. */
function body({ options, ...values }: Values): unknown {
  const given = Object.fromEntries(Object.entries(values).filter(([name, value]) => value !== null || name.endsWith("_limit") || name === "max_concurrent"));
  if (options === undefined) return given;
  const pairs = (Array.isArray(options) ? options : words(String(options))).map((pair) => [pair.split("=")[0] ?? "", pair.split("=").slice(1).join("=")]);
  return { ...given, options: Object.fromEntries(pairs) };
}

type Doing = { kind: "test" | "models"; provider: Provider };

function List(): JSX.Element {
  const kinds = useQuery("provider kinds", async (signal) => (await get<{ data: ProviderKind[] }>("/provider-kinds", {}, signal)).data);
  const [doing, setDoing] = useState<Doing | undefined>(undefined);
  const cells = (provider: Provider): JSX.Element => (
    <>
      <td class="cell-name" data-provider={provider.name}>
        <a class="link" href={href(`providers/${provider.id}`)} title={t("pool.open")}>
          {provider.name}
        </a>
        <p class="note">{kinds.data?.find(({ kind }) => kind === provider.kind)?.name ?? provider.kind}</p>
      </td>
      <td class="cell-name mono">{provider.endpoint}</td>
      <td class="number">{count(provider.weight)}</td>
      <td class="number">{provider.rate_limit === null ? "–" : count(provider.rate_limit)}</td>
      <td>
        <Badge tone={provider.is_active ? "good" : "plain"}>{t(provider.is_active ? "state.active" : "state.disabled")}</Badge>
      </td>
    </>
  );
  const actions = (provider: Provider): JSX.Element | false =>
    mayPlatform() && (
      <>
        <button type="button" class="button small" onClick={() => setDoing({ kind: "test", provider })}>
          {t("provider.test")}
        </button>
        <button type="button" class="button small" onClick={() => setDoing({ kind: "models", provider })}>
          {t("provider.models")}
        </button>
      </>
    );
  const close = (): void => setDoing(undefined);
  return (
    <>
      <Things<Provider>
        of={{
          path: "/providers",
          title: t("providers"),
          note: t("provider.note"),
          empty: t("provider.empty"),
          make: t("provider.new"),
          deleteNote: t("provider.delete_note"),
          head: [[t("name")], [t("provider.endpoint")], [t("provider.weight"), "number"], [t("limit.requests"), "number"], [t("state")]],
          cells,
          nameOf: (provider) => provider.name,
          fields: (provider) => fields(kinds.data ?? [], provider),
          valuesOf,
          body,
          actions,
          may: mayPlatform(),
        }}
      />
      {doing?.kind === "test" && <Test of={doing.provider} close={close} />}
      {doing?.kind === "models" && <Discovery of={doing.provider} close={close} />}
    </>
  );
}
