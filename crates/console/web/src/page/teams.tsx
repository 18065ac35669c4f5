// Teams: who everything belongs to, what they may reach and how much at once.

import type { JSX } from "preact";
import { scopeFields, scopeText, withScope } from "../api/scope.ts";
import type { Team } from "../api/types.ts";
import { usage } from "../api/usage.ts";
import { count } from "../format/number.ts";
import { Badge, Money } from "../part/card.tsx";
import type { Field, Values } from "../part/form.tsx";
import { Things } from "../part/things.tsx";
import { href } from "../state/address.ts";
import { useQuery } from "../state/query.ts";
import { lastDay } from "../state/range.ts";
import { mayPlatform } from "../state/session.ts";
import { t } from "../text/text.ts";

const SHIELDS = ["off", "flag", "block"] as const;
const FRESH_MS = 15_000;

function fields(): Field[] {
  return [
    { name: "name", word: "name", isRequired: true },
    { name: "is_active", word: "team.is_active", kind: "check" },
    { name: "models", word: "scope.models", kind: "list", placeholder: "nexus-*, gpt-4o", note: "scope.note" },
    { name: "providers", word: "scope.providers", kind: "list" },
    { name: "addresses", word: "scope.addresses", kind: "list", placeholder: "192.0.2.0/24" },
    { name: "rate_limit", word: "limit.requests", kind: "number" },
    { name: "token_limit", word: "limit.tokens", kind: "number" },
    { name: "max_concurrent", word: "limit.concurrent", kind: "number" },
    { name: "shield", word: "team.shield", of: SHIELDS.map((one) => [one, t(`shield.${one}`)] as const) },
    { name: "content_ttl_seconds", word: "team.content", kind: "number", note: "team.content_note" },
  ];
}

const NEW = { name: "", is_active: true, scope: {}, rate_limit: null, token_limit: null, max_concurrent: null, shield: "off", content_ttl_seconds: null } as const;

function valuesOf(team: Team | undefined): Values {
  const { name, is_active, scope, rate_limit, token_limit, max_concurrent, shield, content_ttl_seconds } = team ?? NEW;
  return { name, is_active, ...scopeFields(scope), rate_limit, token_limit, max_concurrent, shield, content_ttl_seconds };
}

export function Teams(): JSX.Element {
  const load = async (signal: AbortSignal): Promise<Map<string | null, { requests: number; charged: bigint }>> => {
    const rows = await usage({ by: "team", interval: "total", range: lastDay() }, signal);
    return new Map(rows.map((row) => [row.of, row]));
  };
  const used = useQuery("teams used", load, FRESH_MS);
  const cells = (team: Team): JSX.Element => (
    <>
      <td class="cell-name">
        <a class="link" href={href("cost", { by: "key", team: team.id })}>
          {team.name}
        </a>
      </td>
      <td>
        <Badge tone={team.is_active ? "good" : "plain"}>{t(team.is_active ? "state.active" : "state.disabled")}</Badge>
      </td>
      <td class="cell-name">{scopeText(team.scope) || t("scope.all")}</td>
      <td class="number">{team.rate_limit === null ? "–" : count(team.rate_limit)}</td>
      <td class="number">{count(used.data?.get(team.id)?.requests ?? 0)}</td>
      <td class="number">
        <Money nano={used.data?.get(team.id)?.charged ?? 0n} />
      </td>
    </>
  );
  return (
    <Things<Team>
      of={{
        path: "/teams",
        title: t("teams"),
        note: t("team.note"),
        empty: t("team.empty"),
        make: t("team.new"),
        deleteNote: t("team.delete_note"),
        head: [[t("name")], [t("state")], [t("team.reach")], [t("limit.requests"), "number"], [t("key.requests"), "number"], [t("key.cost"), "number"]],
        cells,
        nameOf: (team) => team.name,
        fields,
        valuesOf,
        body: (values, team) => withScope(values, team?.scope ?? {}),
        may: mayPlatform(),
      }}
    />
  );
}
