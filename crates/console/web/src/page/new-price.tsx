// Setting a price: rates in dollars a million, from a moment on. Nothing that is booked changes by it.

import type { JSX } from "preact";
import { post, Problem } from "../api/http.ts";
import type { Provider } from "../api/types.ts";
import { parseUsd } from "../format/money.ts";
import { Form, type Field, type Values } from "../part/form.tsx";
import { changed } from "../state/query.ts";
import { t } from "../text/text.ts";

/** What is usually priced; finer prices are set over REST. */
const QUANTITIES = ["input", "cache_read", "cache_write_5m", "output", "reasoning"] as const;
const KINDS = ["absolute", "relative", "ceiling"] as const;

function fields(providers: Provider[]): Field[] {
  const hasRates = (values: Values): boolean => values["kind"] !== "relative" && values["is_free"] !== true;
  return [
    { name: "real_name", word: "price.model", isRequired: true, note: "price.model_note" },
    { name: "provider_id", word: "by.provider", isNullable: true, of: [["", t("price.everywhere")], ...providers.map(({ id, name }) => [id, name] as const)] },
    { name: "kind", word: "price.kind", of: KINDS.map((kind) => [kind, t(`price_kind.${kind}`)] as const) },
    { name: "valid_from", word: "price.from", isNullable: true, placeholder: "2026-12-01 00:00", note: "price.from_note" },
    ...QUANTITIES.map((quantity): Field => ({ name: quantity, word: `rate.${quantity}`, isNullable: true, placeholder: "2.50", when: hasRates })),
    { name: "multiplier", word: "request.multiplier", isNullable: true, placeholder: "0.9", isRequired: false },
    { name: "is_free", word: "price.is_free", kind: "check", when: (values) => values["kind"] === "absolute" },
  ];
}

function body(values: Values): unknown {
  const { real_name, provider_id, kind, valid_from, multiplier, is_free } = values;
  const rates = QUANTITIES.flatMap((quantity) => {
    const text = values[quantity];
    if (typeof text !== "string") return [];
    const nano = parseUsd(text);
    if (nano === undefined) throw new Problem(400, "bad_request", t("price.no_rate", { name: t(`rate.${quantity}`) }));
    return [{ quantity, nano_usd_per_million: nano }];
  });
  const at = typeof valid_from === "string" ? new Date(valid_from.replace(" ", "T")).getTime() / 1000 : undefined;
  if (at !== undefined && Number.isNaN(at)) throw new Problem(400, "bad_request", t("price.no_time"));
  return { real_name, provider_id, kind, rates, is_free: is_free === true, ...(multiplier != null && { multiplier }), ...(at !== undefined && { valid_from: at }) };
}

export function NewPrice({ model, providers, close }: { model: string; providers: Provider[]; close: () => void }): JSX.Element {
  const from: Values = { real_name: model, provider_id: null, kind: "absolute", valid_from: null, multiplier: null, is_free: false, ...Object.fromEntries(QUANTITIES.map((quantity) => [quantity, null])) };
  const send = async (values: Values): Promise<void> => {
    await post("/prices", body(values));
    changed();
  };
  return <Form title={t("price.new")} note={t("price.new_note")} fields={fields(providers)} from={from} action={t("create")} send={send} close={close} />;
}
