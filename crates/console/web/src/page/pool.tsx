// A provider's pool: the credentials it is called with, and how each fares on the node that answers. No key is shown.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, post } from "../api/http.ts";
import type { Condition, Credential, Provider } from "../api/types.ts";
import { ago, count, dateTime } from "../format/number.ts";
import { Badge, Trouble, Waiting } from "../part/card.tsx";
import type { Field, Values } from "../part/form.tsx";
import { Things } from "../part/things.tsx";
import { href } from "../state/address.ts";
import { changed, useQuery } from "../state/query.ts";
import { mayPlatform } from "../state/session.ts";
import { named, t } from "../text/text.ts";
import { Test } from "./provider-test.tsx";

const TONES = { good: "good", out: "bad", resting: "warn" } as const;
const FRESH_MS = 3000;

function fields(credential: Credential | undefined): Field[] {
  return [
    { name: "name", word: "name", isRequired: true },
    { name: "api_key", word: "provider.key", kind: "secret", isRequired: credential === undefined, isNullable: true, ...(credential && { note: "provider.key_note" as const }) },
    { name: "weight", word: "provider.weight", kind: "number", isRequired: true },
    { name: "rate_limit", word: "limit.requests", kind: "number" },
    { name: "is_active", word: "provider.is_active", kind: "check" },
  ];
}

function valuesOf(credential: Credential | undefined): Values {
  const { name, weight, rate_limit, is_active } = credential ?? { name: "", weight: 1, rate_limit: null, is_active: true };
  return { name, api_key: null, weight, rate_limit, is_active };
}

export function PoolPage({ id }: { id: string }): JSX.Element {
  const provider = useQuery(`provider ${id}`, (signal) => get<Provider>(`/providers/${id}`, {}, signal));
  const pool = useQuery(`pool ${id}`, async (signal) => (await get<{ data: Condition[] }>(`/providers/${id}/pool`, {}, signal)).data, FRESH_MS);
  const [tested, setTested] = useState<Credential | undefined>(undefined);
  const [problem, setProblem] = useState<unknown>(undefined);
  const path = `/providers/${id}/credentials`;
  const conditionOf = (credential: Credential): Condition | undefined => pool.data?.find((one) => one.credential_id === credential.id);
  const reset = (credential: Credential): void => void post(`${path}/${credential.id}/reset`).then(changed, setProblem);
  const cells = (credential: Credential): JSX.Element => (
    <>
      <td class="cell-name">{credential.name}</td>
      <td class="mono">{credential.last_four === null ? "–" : `…${credential.last_four}`}</td>
      <td class="number">{count(credential.weight)}</td>
      <td class="number">{credential.rate_limit === null ? "–" : count(credential.rate_limit)}</td>
      <td>{credential.is_active ? <Fares of={conditionOf(credential)} /> : <Badge tone="plain">{t("state.disabled")}</Badge>}</td>
      <td title={dateTime(credential.created_at)}>{ago(credential.created_at)}</td>
    </>
  );
  const actions = (credential: Credential): JSX.Element | false =>
    mayPlatform() && (
      <>
        <button type="button" class="button small" onClick={() => setTested(credential)}>
          {t("provider.test")}
        </button>
        <button type="button" class="button small" disabled={(conditionOf(credential)?.state ?? "good") === "good"} onClick={() => reset(credential)}>
          {t("pool.reset")}
        </button>
      </>
    );
  return (
    <>
      <p>
        <a href={href("providers")}>← {t("providers")}</a>
      </p>
      <Waiting of={provider} />
      {problem !== undefined && <Trouble problem={problem} />}
      {provider.data && (
        <Things<Credential>
          of={{
            path,
            title: t("pool.title", { name: provider.data.name }),
            note: t("pool.note"),
            empty: t("pool.empty"),
            make: t("pool.new"),
            deleteNote: t("pool.delete_note"),
            head: [[t("name")], [t("pool.ends_with")], [t("provider.weight"), "number"], [t("limit.requests"), "number"], [t("state")], [t("pool.since")]],
            cells,
            nameOf: (credential) => credential.name,
            fields,
            valuesOf,
            actions,
            may: mayPlatform(),
          }}
        />
      )}
      {tested && provider.data && <Test of={provider.data} credential={tested} close={() => setTested(undefined)} />}
    </>
  );
}

function Fares({ of }: { of: Condition | undefined }): JSX.Element {
  if (!of) return <Badge tone="plain">–</Badge>;
  return (
    <>
      <Badge tone={TONES[of.state]}>{t(`pool.${of.state}`)}</Badge>
      {of.reason !== null && <p class="note">{named("fault", of.reason)}</p>}
      {of.probe_at !== null && <p class="note">{t("pool.probe", { when: ago(of.probe_at) })}</p>}
      {of.rests.length > 0 && <p class="note">{of.rests.map((rest) => `${rest.model} ${ago(rest.until)}`).join(", ")}</p>}
    </>
  );
}
