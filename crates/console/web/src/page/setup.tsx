// Client set-up: what to write where, for the clients people use.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { list } from "../api/http.ts";
import type { Route } from "../api/types.ts";
import { Card, Copy } from "../part/card.tsx";
import { address, ask } from "../state/address.ts";
import { ownKey, useModels } from "../state/own-key.ts";
import { useQuery } from "../state/query.ts";
import { who } from "../state/session.ts";
import { t } from "../text/text.ts";
import { CLIENTS } from "./clients.ts";

/** The names applications may ask for. */
function useAliases(): string[] {
  const isHolder = who.value?.kind === "holder";
  const routes = useQuery("aliases", (signal) => (isHolder ? Promise.resolve([]) : list<Route>("/model-routes", {}, signal)));
  const models = useModels();
  const aliases = ownKey.value !== "" ? (models.data ?? []) : (routes.data ?? []).map((route) => route.alias);
  return [...new Set(aliases)].filter((alias) => alias !== "*").sort();
}

export function Setup(): JSX.Element {
  const aliases = useAliases();
  const [chosen, setChosen] = useState("");
  const client = CLIENTS.find(({ id }) => id === address.value.query.get("client")) ?? CLIENTS[0];
  const model = chosen || (aliases[0] ?? "gpt-4o");
  const { origin } = window.location;
  if (!client) return <></>;
  const snippet = client.snippet({ origin, model });
  return (
    <>
      <Card title={t("setup.url")} note={t("setup.url_note")}>
        <div class="filter-fields">
          <label class="field setup-url">
            <span>{t("setup.base")}</span>
            <input readOnly value={`${origin}/v1`} />
          </label>
          <label class="field">
            <span>{t("explain.model")}</span>
            <select name="setup-model" value={model} onChange={(event) => setChosen(event.currentTarget.value)}>
              {(aliases.length > 0 ? aliases : [model]).map((alias) => (
                <option key={alias} value={alias}>
                  {alias}
                </option>
              ))}
            </select>
          </label>
          <Copy text={`${origin}/v1`} label={t("setup.copy_url")} />
        </div>
      </Card>
      <div class="setup">
        <ul class="setup-clients" aria-label={t("setup.client")}>
          {CLIENTS.map(({ id, name }) => (
            <li key={id}>
              <button type="button" aria-pressed={id === client.id} onClick={() => ask({ client: id })}>
                {name}
              </button>
            </li>
          ))}
        </ul>
        <Card title={client.name} note={client.file} actions={<Copy text={snippet} label={t("copy")} />}>
          <div class="stack">
            {client.install !== undefined && <pre class="code" tabIndex={0}>{client.install}</pre>}
            <pre class="code" tabIndex={0} data-snippet={client.id}>
              {snippet}
            </pre>
            <p class="note">{t("setup.key_note")}</p>
          </div>
        </Card>
      </div>
    </>
  );
}
