// The request log: every request with what it was, where it went, how it ended and what it cost, newest first.

import type { JSX } from "preact";
import { durationOf, tokensOf, type Request } from "../api/requests.ts";
import { count, dateTime, milliseconds, time } from "../format/number.ts";
import { Badge, Card, Empty, Money, Table, Waiting } from "../part/card.tsx";
import { filtered, Filters, type Filter } from "../part/filters.tsx";
import { More } from "../part/more.tsx";
import { presentRange } from "../part/range-picker.tsx";
import { address, ask, go, href } from "../state/address.ts";
import { nameOf, useNames, type Names } from "../state/names.ts";
import { usePages } from "../state/pages.ts";
import { useSeen } from "../state/seen.ts";
import { ended, named, t } from "../text/text.ts";
import { RequestPage } from "./request.tsx";

/** Filters by their names in the URL, as the administration calls them. */
const NAMES = { team: "team_id", key: "key_id", alias: "alias", provider: "provider", model: "model", user: "user", status: "status", operation: "operation", region: "region", took: "took_ms", below: "took_below_ms" } as const;

const STATUSES = [200, 400, 401, 403, 404, 408, 413, 422, 429, 499, 500, 502, 503, 504].map((status) => [String(status), String(status)] as const);

/** A call is seen this soon. */
const FRESH_MS = 2000;

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function Requests(): JSX.Element {
  const [, id] = address.value.page.split("/");
  return id === undefined ? <List /> : <RequestPage key={id} id={id} />;
}

function List(): JSX.Element {
  const names = useNames();
  const range = presentRange();
  const chosen = filtered(Object.keys(NAMES));
  const only = Object.fromEntries(Object.entries(NAMES).map(([name, word]) => [word, chosen[name]]));
  const rows = usePages<Request>("/requests", { from: range.from, until: range.until, ...only }, FRESH_MS);
  return (
    <>
      <Find />
      <Filters all={useFilters(names)} />
      <Waiting of={rows} />
      {rows.data && (
        <Card title={t("log")} note={t("log.note")}>
          {rows.data.length === 0 ? <Empty>{t(rows.more ? "log.looking" : "log.empty")}</Empty> : <Rows of={rows.data} names={names} />}
          <More of={rows} />
        </Card>
      )}
    </>
  );
}

function useFilters(names: Names): Filter[] {
  const seen = useSeen(presentRange());
  const plain = (values: string[]): [string, string][] => values.map((value) => [value, value]);
  return [
    { name: "team", word: "by.team", of: [...names.teams] },
    { name: "key", word: "by.key", of: [...names.keys] },
    { name: "alias", word: "by.alias", of: plain(seen.aliases), isFree: true },
    { name: "provider", word: "by.provider", of: plain(seen.providers) },
    { name: "model", word: "by.model", of: plain(seen.models) },
    { name: "user", word: "by.user" },
    { name: "status", word: "status", of: STATUSES, isFree: true, numeric: true },
    { name: "region", word: "by.region" },
    { name: "took", word: "log.took", numeric: true },
    { name: "below", word: "log.below", numeric: true },
  ];
}

/** Opens a request by its id, which clients are told as `x-request-id`. */
function Find(): JSX.Element {
  const find = (event: { currentTarget: HTMLInputElement }): void => {
    const id = event.currentTarget.value.trim();
    const isId = ID.test(id);
    event.currentTarget.setCustomValidity(isId || id === "" ? "" : t("log.no_id"));
    if (!event.currentTarget.reportValidity() || !isId) return;
    go(href(`requests/${id.toLowerCase()}`));
  };
  return (
    <div class="toolbar">
      <input class="find mono" type="search" aria-label={t("log.find")} placeholder={t("log.find")} onInput={find} />
    </div>
  );
}

function Rows({ of, names }: { of: Request[]; names: Names }): JSX.Element {
  return (
    <Table
      label={t("log")}
      head={[[t("at")], [t("status")], [t("by.alias")], [t("log.target")], [t("log.whose")], [t("tokens"), "number"], [t("latency"), "number"], [t("cost"), "number"]]}
    >
      {of.map((request) => (
        <Row key={request.id} of={request} names={names} />
      ))}
    </Table>
  );
}

export function toneOf(status: number): "good" | "warn" | "bad" {
  return status < 400 ? "good" : status < 500 ? "warn" : "bad";
}

/** The present filters, for a way back to the same list. */
function here(): Record<string, string> {
  return Object.fromEntries(address.value.query);
}

function Row({ of, names }: { of: Request; names: Names }): JSX.Element {
  const last = of.attempts.at(-1);
  const tokens = tokensOf(of.attempts);
  return (
    <tr data-request={of.id}>
      <td>
        <a class="link" href={href(`requests/${of.id}`, here())} title={dateTime(of.at)}>
          {time(of.at)}
        </a>
        <p class="note mono">…{of.id.slice(-8)}</p>
      </td>
      <td>
        <Badge tone={toneOf(of.status)}>{of.status}</Badge>
      </td>
      <td class="cell-name">
        <Narrow name="alias" value={of.alias} label={of.alias} />
        <p class="note">
          {named("operation", of.operation)}
          {of.is_stream && ` · ${t("log.stream")}`}
        </p>
      </td>
      <td class="cell-name">
        {last && `${last.provider} · ${last.model}`}
        <p class={of.attempts.length > 1 ? "note is-warn" : "note"}>{of.attempts.length > 1 ? t("log.attempts", { n: count(of.attempts.length) }) : ended(of.outcome)}</p>
      </td>
      <td class="cell-name">
        <Narrow name="key" value={of.key_id} label={nameOf(names.keys, of.key_id)} />
        <p class="note">
          {of.team_id && nameOf(names.teams, of.team_id)}
          {of.user && ` · ${of.user}`}
        </p>
      </td>
      <td class="number">
        {count(tokens.prompt)} → {count(tokens.answer)}
      </td>
      <td class="number">{milliseconds(durationOf(of))}</td>
      <td class="number">
        <Money nano={BigInt(of.cost_nano_usd)} />
      </td>
    </tr>
  );
}

function Narrow({ name, value, label }: { name: string; value: string; label: string }): JSX.Element {
  return (
    <button type="button" class="link plain" title={t("log.narrow", { name: label })} onClick={() => ask({ [name]: value })}>
      {label}
    </button>
  );
}
