// Providers: the accounts requests go to. A test asks one for its list of models, which costs nothing.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { list, patch, post } from "../api/http.ts";
import type { Provider, Verdict } from "../api/types.ts";
import { count, milliseconds } from "../format/number.ts";
import { Badge, Card, Empty, Table, Trouble, Waiting } from "../part/card.tsx";
import { Dialog } from "../part/dialog.tsx";
import { Pair } from "../part/pair.tsx";
import { changed, useQuery } from "../state/query.ts";
import { t } from "../text/text.ts";

export function Providers(): JSX.Element {
  const providers = useQuery("providers", (signal) => list<Provider>("/providers", {}, signal));
  const [tested, setTested] = useState<Provider | undefined>(undefined);
  const [problem, setProblem] = useState<unknown>(undefined);
  const toggle = async (provider: Provider): Promise<void> => {
    try {
      await patch(`/providers/${provider.id}`, provider.version, { is_active: !provider.is_active });
      changed();
    } catch (error) {
      setProblem(error);
    }
  };
  return (
    <>
      <Waiting of={providers} />
      {problem !== undefined && <Trouble problem={problem} />}
      {providers.data && (
        <Card title={t("providers")} note={t("provider.note")}>
          {providers.data.length === 0 ? (
            <Empty>{t("provider.empty")}</Empty>
          ) : (
            <Table label={t("providers")} head={[[t("name")], [t("provider.kind")], [t("provider.endpoint")], [t("provider.weight"), "number"], [t("limit.requests"), "number"], [t("state")], [t("actions"), "number"]]}>
              {providers.data.map((provider) => (
                <tr key={provider.id} data-provider={provider.name}>
                  <td class="cell-name">{provider.name}</td>
                  <td>{provider.kind}</td>
                  <td class="cell-name mono">{provider.endpoint}</td>
                  <td class="number">{count(provider.weight)}</td>
                  <td class="number">{provider.rate_limit === null ? "–" : count(provider.rate_limit)}</td>
                  <td>
                    <Badge tone={provider.is_active ? "good" : "plain"}>{t(provider.is_active ? "state.active" : "state.disabled")}</Badge>
                  </td>
                  <td>
                    <div class="row-actions">
                      <button type="button" class="button small" onClick={() => setTested(provider)}>
                        {t("provider.test")}
                      </button>
                      <button type="button" class="button small" onClick={() => void toggle(provider)}>
                        {t(provider.is_active ? "key.disable" : "key.enable")}
                      </button>
                    </div>
                  </td>
                </tr>
              ))}
            </Table>
          )}
        </Card>
      )}
      {tested && <Test of={tested} close={() => setTested(undefined)} />}
    </>
  );
}

function Test({ of, close }: { of: Provider; close: () => void }): JSX.Element {
  const verdict = useQuery(`test ${of.id}`, () => post<Verdict>(`/providers/${of.id}/test`));
  const { data } = verdict;
  return (
    <Dialog title={t("provider.test_title", { name: of.name })} close={close}>
      <Waiting of={verdict} />
      {data && (
        <>
          <p>
            <Badge tone={data.ok ? "good" : "bad"}>{t(data.ok ? "provider.ok" : "provider.failed")}</Badge>
          </p>
          <dl class="pairs">
            <Pair word={t("provider.status")} value={data.status === null ? "–" : String(data.status)} />
            <Pair word={t("latency")} value={milliseconds(data.latency_ms)} />
            <Pair word={t("provider.models")} value={data.model_count === null ? "–" : count(data.model_count)} />
          </dl>
          {data.fault && <p class="trouble">{data.fault.message}</p>}
          {data.models.length > 0 && <pre class="code">{data.models.join("\n")}</pre>}
        </>
      )}
    </Dialog>
  );
}
