// Keys: who may call and manage, and what each key was used for. A secret is shown once, when it is made.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { list, patch, remove } from "../api/http.ts";
import type { Key, KeyState, MintedKey, Team } from "../api/types.ts";
import { usage, type Row } from "../api/usage.ts";
import { ago, count, dateTime } from "../format/number.ts";
import { Badge, Card, Choice, Empty, Money, Table, Trouble, Waiting } from "../part/card.tsx";
import { Confirm } from "../part/dialog.tsx";
import { Icon } from "../part/icon.tsx";
import { address, ask, href } from "../state/address.ts";
import { changed, useQuery } from "../state/query.ts";
import { lastDay } from "../state/range.ts";
import { mayManage } from "../state/session.ts";
import { boundOf, STANDINGS, useStandings, type Bounded } from "../state/standing.ts";
import { t } from "../text/text.ts";
import { Bound } from "./bound.tsx";
import { EditKey } from "./edit-key.tsx";
import { NewKey, Rotate, Secret } from "./new-key.tsx";

const LEVELS = ["app", "admin", "session"] as const;

const WHICH = ["every", ...STANDINGS] as const;

const TONES: Record<KeyState, "good" | "warn" | "bad" | "plain"> = {
  active: "good",
  disabled: "warn",
  expired: "plain",
  retired: "plain",
  revoked: "bad",
};

/** A call is seen this soon. */
const FRESH_MS = 3000;

/** What others change is seen this soon. */
const LIST_FRESH_MS = 15_000;

interface All {
  keys: Key[];
  teams: Team[];
}

async function load(level: string, signal: AbortSignal): Promise<All> {
  const [keys, teams] = await Promise.all([list<Key>("/keys", { level }, signal), list<Team>("/teams", {}, signal)]);
  return { keys: keys.reverse(), teams };
}

/** What each key was used for in the last day. */
async function loadUsed(signal: AbortSignal): Promise<Map<string, Row>> {
  const rows = await usage({ by: "key", interval: "total", range: lastDay() }, signal);
  return new Map(rows.flatMap((row) => (row.of === null ? [] : [[row.of, row] as const])));
}

type Doing = { kind: "new" } | { kind: "edit"; key: Key } | { kind: "rotate"; key: Key } | { kind: "revoke"; key: Key } | { kind: "secret"; key: MintedKey };

export function Keys(): JSX.Element {
  const { query } = address.value;
  const level = LEVELS.find((one) => one === query.get("level")) ?? "app";
  const sought = query.get("q") ?? "";
  const which = WHICH.find((one) => one === query.get("standing")) ?? "every";
  const all = useQuery(`keys ${level}`, (signal) => load(level, signal), LIST_FRESH_MS);
  const used = useQuery("keys used", loadUsed, FRESH_MS);
  const [doing, setDoing] = useState<Doing | undefined>(undefined);
  const close = (): void => setDoing(undefined);
  const minted = (key: MintedKey): void => {
    setDoing({ kind: "secret", key });
    changed();
  };
  const teams = all.data?.teams ?? [];
  return (
    <>
      <div class="toolbar">
        <Choice label={t("key.level")} of={LEVELS} now={level} word={(one) => t(`level.${one}`)} choose={(one) => ask({ level: one === "app" ? undefined : one })} />
        <Choice label={t("standing")} of={WHICH} now={which} word={(one) => t(`standing.${one}`)} choose={(one) => ask({ standing: one === "every" ? undefined : one })} />
        <div class="toolbar-end">
          <input type="search" aria-label={t("search")} placeholder={t("search")} value={sought} onInput={(event) => ask({ q: event.currentTarget.value || undefined })} />
          {mayManage() && (
            <button type="button" class="button primary" onClick={() => setDoing({ kind: "new" })}>
              <Icon name="plus" />
              {t("key.new")}
            </button>
          )}
        </div>
      </div>
      <Waiting of={all} />
      {all.data && <Rows all={all.data} used={used.data} sought={sought} which={which} act={setDoing} />}
      {doing?.kind === "new" && <NewKey teams={teams} level={level === "admin" ? "admin" : "app"} made={minted} close={close} />}
      {doing?.kind === "edit" && <EditKey of={doing.key} close={close} />}
      {doing?.kind === "rotate" && <Rotate of={doing.key} made={minted} close={close} />}
      {doing?.kind === "secret" && <Secret of={doing.key} close={close} />}
      {doing?.kind === "revoke" && (
        <Confirm
          title={t("key.revoke")}
          text={t("key.revoke_note")}
          name={doing.key.name || doing.key.last_four}
          action={t("key.revoke")}
          close={close}
          run={async () => {
            await remove(`/${doing.key.level === "session" ? "session-keys" : "keys"}/${doing.key.id}`);
            changed();
          }}
        />
      )}
    </>
  );
}

function Rows({ all, used, sought, which, act }: {
  all: All;
  used: Map<string, Row> | undefined;
  sought: string;
  which: (typeof WHICH)[number];
  act: (doing: Doing) => void;
}): JSX.Element {
  const [problem, setProblem] = useState<unknown>(undefined);
  const toggle = (key: Key): void => {
    const change = patch(`/keys/${key.id}`, key.version, { is_disabled: !key.is_disabled });
    change.then(() => setProblem(undefined), setProblem).finally(changed);
  };
  const teams = new Map(all.teams.map((team) => [team.id, team.name]));
  const teamOf = (key: Key): string => (key.team_id === null ? t("key.platform") : (teams.get(key.team_id) ?? "–"));
  const has = (key: Key): boolean => `${key.name} ${key.last_four} ${key.id} ${teamOf(key)}`.toLowerCase().includes(sought.toLowerCase());
  const standings = useStandings();
  const shown = all.keys.filter(has).flatMap((key) => {
    const bound = isOver(key) ? undefined : boundOf(key, standings);
    return which === "every" || bound?.standing === which ? [{ key, bound }] : [];
  });
  return (
    <Card title={t("keys")} note={t(shown.length === 1 ? "key.one" : "key.count", { n: count(shown.length) })}>
      {problem !== undefined && <Trouble problem={problem} />}
      {shown.length === 0 ? (
        <Empty>{t(which === "every" ? "key.empty" : "standing.nobody")}</Empty>
      ) : (
        <Table
          label={t("keys")}
          head={[[t("name")], [t("by.team")], [t("state")], [t("key.used")], [t("key.requests"), "number"], [t("key.cost"), "number"], [t("key.ends")], [t("actions"), "number"]]}
        >
          {shown.map(({ key, bound }) => (
            <KeyRow key={key.id} of={key} bound={bound} team={teamOf(key)} used={used?.get(key.id)} toggle={() => toggle(key)} act={act} />
          ))}
        </Table>
      )}
    </Card>
  );
}

/** Whether nothing is accepted of it any more. */
function isOver({ state }: Key): boolean {
  return state !== "active" && state !== "disabled";
}

function KeyRow({ of, bound, team, used, toggle, act }: {
  of: Key;
  bound: Bounded | undefined;
  team: string;
  used: Row | undefined;
  toggle: () => void;
  act: (doing: Doing) => void;
}): JSX.Element {
  const end = [of.expires_at, of.retires_at].filter((at) => at !== null).sort((a, b) => a - b)[0];
  return (
    <tr data-key={of.id}>
      <td>
        <a class="link cell-name" href={href("requests", { key: of.id })} title={t("log.narrow", { name: of.name })}>
          {of.name || t("key.unnamed")}
        </a>
        <p class="note mono">…{of.last_four}</p>
      </td>
      <td class="cell-name">{team}</td>
      <td>
        <Badge tone={TONES[of.state]}>{t(`state.${of.state}`)}</Badge>
        {bound && <Bound of={bound} />}
      </td>
      <td>{of.last_used_at === null && !used ? t("key.never") : used ? t("key.today") : ago(of.last_used_at ?? 0)}</td>
      <td class="number requests">{count(used?.requests ?? 0)}</td>
      <td class="number">
        <Money nano={used?.charged ?? 0n} />
      </td>
      <td title={end === undefined ? undefined : dateTime(end)}>{end === undefined ? t("key.endless") : ago(end)}</td>
      <td>
        <div class="row-actions">
          {mayManage() && of.level !== "session" && !isOver(of) && (
            <>
              <button type="button" class="button small" onClick={toggle}>
                {of.is_disabled ? t("key.enable") : t("key.disable")}
              </button>
              <button type="button" class="button small" onClick={() => act({ kind: "edit", key: of })}>
                {t("edit")}
              </button>
              <button type="button" class="button small" onClick={() => act({ kind: "rotate", key: of })}>
                {t("key.rotate")}
              </button>
            </>
          )}
          {mayManage() && !isOver(of) && (
            <button type="button" class="button small danger" onClick={() => act({ kind: "revoke", key: of })}>
              {t("key.revoke")}
            </button>
          )}
        </div>
      </td>
    </tr>
  );
}
