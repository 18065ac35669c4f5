// What an attempt used and what each of it cost.

import type { JSX } from "preact";
import type { Attempt, TargetPrice } from "../api/requests.ts";
import { breakdown } from "../format/breakdown.ts";
import { fine, usd } from "../format/money.ts";
import { count, language } from "../format/number.ts";
import { named, t } from "../text/text.ts";
import { Money } from "./card.tsx";

export function PriceLines({ of, prices }: { of: Attempt; prices: TargetPrice[] }): JSX.Element {
  const told = breakdown(of, prices);
  const quantities = Object.entries(of.quantities);
  const rate = (nano: bigint | undefined): string => (nano === undefined ? "–" : t("request.rate", { amount: usd(nano, language()) }));
  return (
    <div class="price-lines">
      <table>
        <caption>{t("request.used")}</caption>
        <tbody>
          {quantities.length === 0 && (
            <tr>
              <td colSpan={4} class="note">
                {t("request.nothing_used")}
              </td>
            </tr>
          )}
          {quantities.map(([quantity, n]) => {
            const line = told?.lines.find((one) => one.quantity === quantity);
            return (
              <tr key={quantity}>
                <th scope="row">{named("quantity", quantity)}</th>
                <td class="number">{count(n)}</td>
                <td class="number note">{line && rate(line.rate)}</td>
                <td class="number">{line && fine(line.exact, language())}</td>
              </tr>
            );
          })}
          {told && told.perRequest > 0n && (
            <tr>
              <th scope="row">{t("request.each")}</th>
              <td colSpan={2} />
              <td class="number">{usd(told.perRequest, language())}</td>
            </tr>
          )}
          {told?.multipliers.map((ppm, index) => (
            <tr key={index}>
              <th scope="row">{t("request.multiplier")}</th>
              <td colSpan={2} />
              <td class="number">× {Number(ppm) / 1_000_000}</td>
            </tr>
          ))}
          <tr class="sum">
            <th scope="row">{t("cost")}</th>
            <td colSpan={2} class="number note">
              {named("pricing", of.pricing)}
              {of.service_tier !== "standard" && ` · ${of.service_tier}`}
            </td>
            <td class="number">{of.cost_nano_usd === null ? t("cost.unknown") : <Money nano={BigInt(of.cost_nano_usd)} />}</td>
          </tr>
        </tbody>
      </table>
      {!told && of.pricing === "known" && quantities.length > 0 && <p class="note">{t("request.no_lines")}</p>}
    </div>
  );
}
