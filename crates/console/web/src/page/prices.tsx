// Prices: what models cost and from when on, what is asked that nobody has a price for, and pricing the past again.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, list } from "../api/http.ts";
import { ratesOf, succession, type Price, type Unpriced } from "../api/prices.ts";
import type { Provider } from "../api/types.ts";
import { usd } from "../format/money.ts";
import { count, dateTime, language } from "../format/number.ts";
import { Badge, Card, Empty, Table, Waiting } from "../part/card.tsx";
import { Dialog } from "../part/dialog.tsx";
import { changes } from "../format/changes.ts";
import { Diff } from "../part/diff.tsx";
import { Icon } from "../part/icon.tsx";
import { address, ask } from "../state/address.ts";
import { useQuery } from "../state/query.ts";
import { isOfPlatform, mayPlatform } from "../state/session.ts";
import { named, t } from "../text/text.ts";
import { NewPrice } from "./new-price.tsx";
import { Reprices } from "./reprice.tsx";

const dollars = (nano: bigint): string => usd(nano, language());
const rates = (price: Price | undefined): Record<string, string> => ratesOf(price, dollars, (quantity) => named("quantity", quantity));

type Doing = { kind: "new"; model: string } | { kind: "show"; price: Price };

export function Prices(): JSX.Element {
  const prices = useQuery("prices", (signal) => list<Price>("/prices", {}, signal));
  const providers = useQuery("providers", (signal) => (isOfPlatform() ? list<Provider>("/providers", {}, signal) : Promise.resolve([])));
  const [doing, setDoing] = useState<Doing | undefined>(undefined);
  const sought = address.value.query.get("q") ?? "";
  const names = new Map(providers.data?.map(({ id, name }) => [id, name]));
  const whereOf = (price: Price): string => [price.provider_id === null ? t("price.everywhere") : (names.get(price.provider_id) ?? `…${price.provider_id.slice(-8)}`), price.region].filter((part) => part !== null).join(" · ");
  const before = succession(prices.data ?? []);
  const shown = (prices.data ?? []).filter((price) => price.real_name.toLowerCase().includes(sought.toLowerCase())).sort((a, b) => a.real_name.localeCompare(b.real_name) || b.valid_from - a.valid_from || b.id.localeCompare(a.id));
  return (
    <>
      <div class="toolbar">
        <input class="find" type="search" aria-label={t("search")} placeholder={t("search")} value={sought} onInput={(event) => ask({ q: event.currentTarget.value || undefined })} />
        {mayPlatform() && (
          <button type="button" class="button primary" onClick={() => setDoing({ kind: "new", model: "" })}>
            <Icon name="plus" />
            {t("price.new")}
          </button>
        )}
      </div>
      <WithoutPrice set={(model) => setDoing({ kind: "new", model })} />
      <Waiting of={prices} />
      {prices.data && (
        <Card title={t("prices")} note={t("price.note")}>
          {shown.length === 0 ? (
            <Empty>{t("price.empty")}</Empty>
          ) : (
            <Table label={t("prices")} head={[[t("by.model")], [t("price.where")], [t("price.kind")], [t("price.from")], [t("price.rates")]]}>
              {shown.map((price) => (
                <tr key={price.id} data-name={price.real_name}>
                  <td class="cell-name">
                    <button type="button" class="link mono" onClick={() => setDoing({ kind: "show", price })}>
                      {price.real_name}
                    </button>
                  </td>
                  <td class="cell-name">{whereOf(price)}</td>
                  <td>
                    <Badge tone={price.is_free ? "good" : "plain"}>{price.is_free ? t("pricing.free") : t(`price_kind.${price.kind}`)}</Badge>
                    {price.multiplier !== null && <p class="note">× {price.multiplier}</p>}
                  </td>
                  <td>
                    {dateTime(price.valid_from)}
                    {price.valid_from > Date.now() / 1000 && <p class="note is-warn">{t("price.later")}</p>}
                  </td>
                  <td class="price-rates">
                    {Object.entries(rates(price)).map(([name, amount]) => (
                      <span key={name}>
                        <span class="note">{name}</span> {amount}
                      </span>
                    ))}
                    {BigInt(price.per_request_nano_usd) > 0n && (
                      <span>
                        <span class="note">{t("request.each")}</span> {dollars(BigInt(price.per_request_nano_usd))}
                      </span>
                    )}
                  </td>
                </tr>
              ))}
            </Table>
          )}
        </Card>
      )}
      {isOfPlatform() && <Reprices />}
      {doing?.kind === "new" && <NewPrice model={doing.model} providers={providers.data ?? []} close={() => setDoing(undefined)} />}
      {doing?.kind === "show" && <One of={doing.price} before={before.get(doing.price)} close={() => setDoing(undefined)} />}
    </>
  );
}

/** A price against the one before it. */
function One({ of, before, close }: { of: Price; before: Price | undefined; close: () => void }): JSX.Element {
  const others = changes({ ...rates(before), [t("request.multiplier")]: before?.multiplier ?? null }, { ...rates(of), [t("request.multiplier")]: of.multiplier });
  return (
    <Dialog title={of.real_name} close={close}>
      <p class="note">{before ? t("price.against", { when: dateTime(before.valid_from) }) : t("price.first")}</p>
      <p>{t("price.since", { when: dateTime(of.valid_from) })}</p>
      {others.length > 0 ? <Diff of={others} /> : <Empty>{t("price.same")}</Empty>}
      <p class="note mono">{of.id}</p>
    </Dialog>
  );
}

function WithoutPrice({ set }: { set: (model: string) => void }): JSX.Element | null {
  const told = useQuery("unpriced", (signal) => get<Unpriced>("/prices/unpriced", {}, signal));
  const models = told.data?.models ?? [];
  if (models.length === 0) return null;
  return (
    <Card title={t("unpriced")} note={t("unpriced.note")}>
      <Table label={t("unpriced")} head={[[t("by.model")], [t("by.provider")], [t("cost.unpriced"), "number"], [t("tokens"), "number"], [t("actions"), "number"]]}>
        {models.map((model) => (
          <tr key={`${model.provider} ${model.real_name}`}>
            <td class="cell-name mono">{model.real_name}</td>
            <td class="cell-name">{model.provider}</td>
            <td class="number">{count(model.unpriced)}</td>
            <td class="number">{count(model.prompt_tokens + model.completion_tokens)}</td>
            <td class="number">
              {mayPlatform() && (
                <button type="button" class="button small" onClick={() => set(model.real_name)}>
                  {t("unpriced.set")}
                </button>
              )}
            </td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}
