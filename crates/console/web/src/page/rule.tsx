// The rule of an alias: what it stands for, how one of its targets is chosen, what is asked instead.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { post, put, remove } from "../api/http.ts";
import type { Rule } from "../api/types.ts";
import { count } from "../format/number.ts";
import { Confirm } from "../part/dialog.tsx";
import { Form, type Field, type Values } from "../part/form.tsx";
import { nameOf, useNames } from "../state/names.ts";
import { changed } from "../state/query.ts";
import { mayPlatform } from "../state/session.ts";
import { named, t } from "../text/text.ts";

const POLICIES = ["weighted", "least_latency", "least_busy", "cheapest", "priority"] as const;
const CAUSES = ["failure", "context_window", "content_policy", "budget"] as const;

function fields(): Field[] {
  return [
    { name: "policy", word: "rule.policy", of: POLICIES.map((one) => [one, t(`policy.${one}`)] as const) },
    { name: "stands_for", word: "rule.stands_for", isNullable: true },
    { name: "cache_ttl_s", word: "rule.cache", kind: "number" },
    { name: "hedge_percent", word: "rule.hedge", kind: "number" },
    ...CAUSES.map((cause): Field => ({ name: cause, word: `rule.fallback.${cause}`, kind: "list" })),
    { name: "affinity", word: "rule.affinity", kind: "check" },
    { name: "continue", word: "rule.continue", kind: "check" },
  ];
}

const NONE = { policy: "weighted", stands_for: null, cache_ttl_s: null, hedge_percent: null, fallbacks: {}, affinity: false, continue: false };

function valuesOf(rule: Rule | undefined): Values {
  const { policy, stands_for, cache_ttl_s, hedge_percent, fallbacks, affinity, continue: goesOn } = rule ?? NONE;
  const lists = Object.fromEntries(CAUSES.map((cause) => [cause, (fallbacks as Record<string, string[]>)[cause] ?? []]));
  return { policy, stands_for, cache_ttl_s, hedge_percent, ...lists, affinity, continue: goesOn };
}

/** A rule takes the place of another as a whole. */
function body(values: Values): unknown {
  const plain = Object.entries(values).filter(([name]) => !(CAUSES as readonly string[]).includes(name));
  const fallbacks = CAUSES.flatMap((cause) => {
    const list = values[cause];
    return Array.isArray(list) && list.length > 0 ? [[cause, list] as const] : [];
  });
  return { ...Object.fromEntries(plain), fallbacks: Object.fromEntries(fallbacks) };
}

/** In a line, and the way to another. */
export function RuleLine({ alias, rules }: { alias: string; rules: Rule[] }): JSX.Element {
  const names = useNames();
  const [edited, setEdited] = useState<{ rule: Rule | undefined } | undefined>(undefined);
  const [deleted, setDeleted] = useState<Rule | undefined>(undefined);
  const shared = rules.find((rule) => rule.team_id === null);
  const send = async (values: Values): Promise<void> => {
    const rule = edited?.rule;
    const whole = body({ ...valuesOf(rule), ...values });
    await (rule ? put(`/routing-rules/${rule.id}`, whole, rule.version) : post("/routing-rules", { alias, ...(whole as object) }));
    changed();
  };
  const edit = (rule: Rule | undefined, label: string): JSX.Element => (
    <>
      {mayPlatform() && (
        <button type="button" class="link" aria-label={`${t("edit")}: ${label}`} onClick={() => setEdited({ rule })}>
          {t("edit")}
        </button>
      )}
      {mayPlatform() && rule && (
        <button type="button" class="link" aria-label={`${t("remove")}: ${label}`} onClick={() => setDeleted(rule)}>
          {t("remove")}
        </button>
      )}
    </>
  );
  return (
    <span class="rule-lines">
      <span>
        {says(shared)} {edit(shared, alias)}
      </span>
      {rules
        .filter((rule) => rule.team_id !== null)
        .map((rule) => (
          <span key={rule.id}>
            {nameOf(names.teams, rule.team_id ?? "")}: {says(rule)} {edit(rule, alias)}
          </span>
        ))}
      {edited && <Form title={`${t("rule.title")}: ${alias}`} fields={fields()} from={valuesOf(edited.rule)} action={t("save")} isChange send={send} close={() => setEdited(undefined)} />}
      {deleted && (
        <Confirm title={t("remove.title", { name: alias })} text={t("remove.note")} action={t("remove")} close={() => setDeleted(undefined)} run={async () => {
          await remove(`/routing-rules/${deleted.id}`);
          changed();
        }} />
      )}
    </span>
  );
}

function says(rule: Rule | undefined): string {
  if (!rule) return named("policy", "weighted");
  if (rule.stands_for !== null) return `${t("rule.stands_for")} ${rule.stands_for}`;
  const fallbacks = Object.entries(rule.fallbacks).map(([cause, aliases]) => `${named("rule.fallback", cause)} → ${aliases.join(", ")}`);
  return [
    named("policy", rule.policy),
    rule.affinity && t("rule.affinity"),
    rule.cache_ttl_s !== null && `${t("rule.cache")} ${count(rule.cache_ttl_s)}`,
    rule.hedge_percent !== null && `${t("rule.hedge")} ${count(rule.hedge_percent)}`,
    rule.continue && t("rule.continue"),
    ...fallbacks,
  ]
    .filter((part) => part)
    .join(" · ");
}
