// Whether a provider answers, and which models it says it has.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, list, post } from "../api/http.ts";
import type { Provider, Route, Verdict } from "../api/types.ts";
import { count, milliseconds } from "../format/number.ts";
import { Badge, Empty, Table, Trouble, Waiting } from "../part/card.tsx";
import { Dialog } from "../part/dialog.tsx";
import { Pair } from "../part/pair.tsx";
import { changed, useQuery } from "../state/query.ts";
import { t } from "../text/text.ts";

function Told({ of }: { of: Verdict }): JSX.Element {
  return (
    <>
      <p>
        <Badge tone={of.ok ? "good" : "bad"}>{t(of.ok ? "provider.ok" : "provider.failed")}</Badge>
      </p>
      <dl class="pairs">
        <Pair word={t("provider.status")} value={of.status === null ? "–" : String(of.status)} />
        <Pair word={t("latency")} value={milliseconds(of.latency_ms)} />
        <Pair word={t("provider.models")} value={of.model_count === null ? "–" : count(of.model_count)} />
      </dl>
      {of.fault && (
        <p class="trouble">
          {of.fault.message}
          {of.fault.said && ` ${of.fault.said}`}
        </p>
      )}
    </>
  );
}

/** With a credential of its pool where one is named. */
export function Test({ of, credential, close }: { of: Provider; credential?: { id: string; name: string }; close: () => void }): JSX.Element {
  const path = credential ? `/providers/${of.id}/credentials/${credential.id}/test` : `/providers/${of.id}/test`;
  const verdict = useQuery(`test ${path}`, () => post<Verdict>(path));
  const { data } = verdict;
  return (
    <Dialog title={t("provider.test_title", { name: credential ? `${of.name} · ${credential.name}` : of.name })} close={close}>
      <Waiting of={verdict} />
      {data && <Told of={data} />}
      {data && data.models.length > 0 && <pre class="code scroll" tabIndex={0}>{data.models.join("\n")}</pre>}
    </Dialog>
  );
}

/** Every model a provider says it has; one is offered to applications with a button. */
export function Discovery({ of, close }: { of: Provider; close: () => void }): JSX.Element {
  const verdict = useQuery(`models ${of.id}`, (signal) => get<Verdict>(`/providers/${of.id}/models`, {}, signal));
  const routes = useQuery(`routes of ${of.id}`, (signal) => list<Route>("/model-routes", { provider_id: of.id }, signal));
  const [sought, setSought] = useState("");
  const [problem, setProblem] = useState<unknown>(undefined);
  const offered = new Set(routes.data?.map((route) => route.real_name));
  const offer = (model: string): void => {
    const made = post("/model-routes", { alias: model, provider_id: of.id, real_name: model });
    made.then(changed, setProblem);
  };
  const { data } = verdict;
  const models = (data?.models ?? []).filter((model) => model.toLowerCase().includes(sought.toLowerCase()));
  return (
    <Dialog title={t("provider.models_title", { name: of.name })} close={close}>
      <Waiting of={verdict} />
      {data && !data.ok && <Told of={data} />}
      {problem !== undefined && <Trouble problem={problem} />}
      {data?.ok && (
        <>
          <input type="search" aria-label={t("search")} placeholder={t("search")} value={sought} onInput={(event) => setSought(event.currentTarget.value)} />
          {models.length === 0 ? (
            <Empty>{t("provider.no_model")}</Empty>
          ) : (
            <div class="scroll">
              <Table label={t("provider.models")} head={[[t("by.model")], [t("actions"), "number"]]}>
                {models.map((model) => (
                  <tr key={model}>
                    <td class="cell-name mono">{model}</td>
                    <td class="number">
                      {offered.has(model) ? (
                        <Badge tone="good">{t("provider.offered")}</Badge>
                      ) : (
                        <button type="button" class="button small" onClick={() => offer(model)}>
                          {t("provider.offer")}
                        </button>
                      )}
                    </td>
                  </tr>
                ))}
              </Table>
            </div>
          )}
        </>
      )}
    </Dialog>
  );
}
