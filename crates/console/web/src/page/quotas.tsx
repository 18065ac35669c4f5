// Quotas: how much of what somebody may use, how full each is, and who holds what of it this moment.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, Problem } from "../api/http.ts";
import type { Whole } from "../api/json.ts";
import { levels, shareOf, type Holders, type Quota } from "../api/quotas.ts";
import { parseUsd, usd } from "../format/money.ts";
import { ago, count, language, percent } from "../format/number.ts";
import { Badge, Empty, Table, Waiting } from "../part/card.tsx";
import { Dialog } from "../part/dialog.tsx";
import type { Field, Values } from "../part/form.tsx";
import { Meter } from "../part/meter.tsx";
import { Pair } from "../part/pair.tsx";
import { Things } from "../part/things.tsx";
import { href } from "../state/address.ts";
import { nameOf, useNames, type Names } from "../state/names.ts";
import { useQuery } from "../state/query.ts";
import { isOfPlatform, mayManage } from "../state/session.ts";
import { t } from "../text/text.ts";

const SUBJECTS = ["platform", "team", "key", "provider", "model", "user", "tag"] as const;
const MEASURES = ["cost_nano_usd", "requests", "tokens", "concurrent"] as const;
const WINDOWS = ["minute", "hour", "day", "week", "month", "total"] as const;
const MODES = ["hard", "soft", "shadow", "cut"] as const;
/** Windows that begin when a place's calendar says so. */
const CALENDAR = new Set<Values[string]>(["hour", "day", "week", "month"]);
const FRESH_MS = 3000;

export function amount(measure: Quota["measure"], value: Whole): string {
  return measure === "cost_nano_usd" ? usd(BigInt(value), language()) : count(BigInt(value));
}

function fields(names: Names, quota: Quota | undefined): Field[] {
  const subjects = isOfPlatform() ? SUBJECTS : (["team", "key"] as const);
  const isCost = (values: Values): boolean => (quota?.measure ?? values["measure"]) === "cost_nano_usd";
  const choice = (...of: Values[string][]) => (values: Values): boolean => of.includes(values["subject"] ?? null);
  const fresh: Field[] = [
    { name: "subject", word: "quota.subject", of: subjects.map((one) => [one, t(`subject.${one}`)] as const) },
    { name: "team", word: "by.team", of: [...names.teams], when: choice("team") },
    { name: "key", word: "by.key", of: [...names.keys], when: choice("key") },
    { name: "pattern", word: "quota.pattern", isRequired: true, note: "quota.pattern_note", when: choice("provider", "model", "user", "tag") },
    { name: "measure", word: "quota.measure", of: MEASURES.map((one) => [one, t(`quota_measure.${one}`)] as const) },
    { name: "window", word: "quota.window", of: WINDOWS.map((one) => [one, t(`window.${one}`)] as const), when: (values) => values["measure"] !== "concurrent" },
    { name: "time_zone", word: "quota.time_zone", isNullable: true, placeholder: "Europe/Berlin", note: "quota.time_zone_note", when: (values) => values["measure"] !== "concurrent" && CALENDAR.has(values["window"] ?? null) },
  ];
  return [
    { name: "name", word: "name", isRequired: true },
    ...(quota ? [] : fresh),
    { name: "limit", word: "quota.limit", kind: "number", isRequired: true, when: (values) => !isCost(values) },
    { name: "dollars", word: "quota.dollars", isRequired: true, placeholder: "100.00", when: isCost },
    { name: "mode", word: "quota.mode", of: MODES.map((one) => [one, t(`mode.${one}`)] as const) },
  ];
}

function valuesOf(names: Names, quota: Quota | undefined): Values {
  if (quota) {
    const { name, limit, mode } = quota;
    return { name, limit, dollars: usd(BigInt(limit), "en-US").replaceAll(",", ""), mode };
  }
  const first = (of: Map<string, string>): string => [...of.keys()][0] ?? "";
  return { name: "", subject: "team", team: first(names.teams), key: first(names.keys), pattern: "", measure: "cost_nano_usd", window: "month", time_zone: null, limit: null, dollars: "", mode: "hard" };
}

/** A limit in dollars as nano-USD, and whom a new one is for. */
function body({ dollars, team, key, pattern, ...rest }: Values, quota: Quota | undefined): unknown {
  const sent: Values = { ...rest };
  if (typeof dollars === "string") {
    const nano = parseUsd(dollars);
    if (nano === undefined) throw new Problem(400, "bad_request", t("quota.no_amount"));
    sent["limit"] = nano;
  }
  if (quota) return sent;
  return { ...sent, window: sent["window"] ?? "total", subject_value: team ?? key ?? pattern ?? null };
}

export function Quotas(): JSX.Element {
  const names = useNames();
  const full = useQuery("quotas full", async (signal) => new Map((await levels({ kind: "quota", percent: 0 }, signal)).map((one) => [one.quota_id, one])), FRESH_MS);
  const [opened, setOpened] = useState<Quota | undefined>(undefined);
  const whom = ({ subject, subject_value }: Quota): string => {
    if (subject_value === null) return t("key.platform");
    if (subject === "team") return nameOf(names.teams, subject_value);
    return subject === "key" ? nameOf(names.keys, subject_value) : subject_value;
  };
  const cells = (quota: Quota): JSX.Element => (
    <>
      <td class="cell-name">
        <button type="button" class="link" onClick={() => setOpened(quota)}>
          {quota.name}
        </button>
      </td>
      <td class="cell-name">
        {whom(quota)}
        <p class="note">{t(`subject.${quota.subject}`)}</p>
      </td>
      <td>
        {t(`quota_measure.${quota.measure}`)}
        <p class="note">{[t(`window.${quota.window}`), quota.time_zone].filter((part) => part !== null).join(" · ")}</p>
      </td>
      <td class="number">{amount(quota.measure, quota.limit)}</td>
      <td class="cell-meter">
        <Full of={full.data?.get(quota.id)} measure={quota.measure} />
      </td>
      <td>
        <Badge tone={quota.mode === "hard" || quota.mode === "cut" ? "warn" : "plain"}>{t(`mode.${quota.mode}`)}</Badge>
      </td>
    </>
  );
  return (
    <>
      <Things<Quota>
        of={{
          path: "/quotas",
          title: t("quotas"),
          note: t("quota.note"),
          empty: t("quota.empty"),
          make: t("quota.new"),
          deleteNote: t("quota.delete_note"),
          head: [[t("name")], [t("quota.subject")], [t("quota.measure")], [t("quota.limit"), "number"], [t("quota.used")], [t("quota.mode")]],
          cells,
          nameOf: (quota) => quota.name,
          fields: (quota) => fields(names, quota),
          valuesOf: (quota) => valuesOf(names, quota),
          body,
          may: mayManage(),
          mayChange: (quota) => isOfPlatform() || quota.is_own,
        }}
      />
      {opened && <Who of={opened} names={names} close={() => setOpened(undefined)} />}
    </>
  );
}

function Full({ of, measure }: { of: Pick<Holders, "limit" | "used" | "reserved"> | undefined; measure: Quota["measure"] }): JSX.Element | null {
  if (!of) return null;
  const share = shareOf(of.used, of);
  return <Meter used={share} held={of.limit === 0 ? 0 : shareOf(of.reserved, of)} text={`${amount(measure, of.used)} · ${percent(share)}`} />;
}

/** Who holds what of it: the calls under way, and of users and tags what each has used. */
function Who({ of, names, close }: { of: Quota; names: Names; close: () => void }): JSX.Element {
  const told = useQuery(`holders ${of.id}`, (signal) => get<Holders>(`/quotas/${of.id}/holders`, {}, signal), FRESH_MS);
  const now = told.data;
  return (
    <Dialog title={of.name} close={close}>
      <Waiting of={told} />
      {now && (
        <>
          <Full of={now} measure={of.measure} />
          <dl class="pairs">
            <Pair word={t("quota.limit")} value={amount(of.measure, now.limit)} />
            <Pair word={t("quota.used")} value={amount(of.measure, now.used)} />
            <Pair word={t("quota.held")} value={amount(of.measure, now.reserved)} />
          </dl>
          {now.counters.length > 0 && (
            <Table label={t("quota.counters")} head={[[t(of.subject === "tag" ? "by.tag" : "by.user")], [t("quota.used"), "number"], [t("quota.held"), "number"]]}>
              {now.counters.map((counter) => (
                <tr key={`${counter.team_id ?? ""} ${counter.name ?? ""}`}>
                  <td class="cell-name">{counter.name ?? t("cost.others")}</td>
                  <td class="number">{amount(of.measure, counter.used)}</td>
                  <td class="number">{amount(of.measure, counter.reserved)}</td>
                </tr>
              ))}
            </Table>
          )}
          <h3>{t("quota.holders")}</h3>
          {now.holders.length === 0 ? (
            <Empty>{t("quota.nobody")}</Empty>
          ) : (
            <Table label={t("quota.holders")} head={[[t("by.key")], [t("log.request")], [t("quota.held"), "number"], [t("quota.since")], [t("quota.until")]]}>
              {now.holders.map((holder) => (
                <tr key={holder.request_id}>
                  <td class="cell-name">{nameOf(names.keys, holder.key_id)}</td>
                  <td>
                    <a class="mono" href={href(`requests/${holder.request_id}`)}>
                      …{holder.request_id.slice(-8)}
                    </a>
                  </td>
                  <td class="number">{amount(of.measure, holder.amount)}</td>
                  <td>{ago(holder.since)}</td>
                  <td>{ago(holder.until)}</td>
                </tr>
              ))}
            </Table>
          )}
        </>
      )}
    </Dialog>
  );
}
