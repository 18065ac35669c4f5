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
import { DAY, HOUR } from "../state/range.ts";
import { mayManage } from "../state/session.ts";
import { t } from "../text/text.ts";
import { EditKey } from "./edit-key.tsx";
import { NewKey, Rotate, Secret } from "./new-key.tsx";

const LEVELS = ["app", "admin", "session"] as const;

const TONES: Record<KeyState, "good" | "warn" | "bad" | "plain"> = {
  active: "good",
  disabled: "warn",
  expired: "plain",
  retired: "plain",
  revoked: "bad",
};

/** A call is seen this soon. */
const FRESH_MS = 1000;

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
  const until = Math.floor(Date.now() / 1000 / HOUR) * HOUR + HOUR;
  const range = { from: until - DAY, until, interval: "hour", preset: undefined } as const;
  const rows = await usage({ by: "key", interval: "total", range }, signal);
  return new Map(rows.flatMap((row) => (row.of === null ? [] : [[row.of, row] as const])));
}

type Doing = { kind: "new" } | { kind: "edit"; key: Key } | { kind: "rotate"; key: Key } | { kind: "revoke"; key: Key } | { kind: "secret"; key: MintedKey };

export function Keys(): JSX.Element {
  const { query } = address.value;
  const level = LEVELS.find((one) => one === query.get("level")) ?? "app";
  const sought = query.get("q") ?? "";
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
      {all.data && <Rows all={all.data} used={used.data} sought={sought} act={setDoing} />}
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

function Rows({ all, used, sought, act }: {
  all: All;
  used: Map<string, Row> | undefined;
  sought: string;
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
  const shown = all.keys.filter(has);
  return (
    <Card title={t("keys")} note={t(shown.length === 1 ? "key.one" : "key.count", { n: count(shown.length) })}>
      {problem !== undefined && <Trouble problem={problem} />}
      {shown.length === 0 ? (
        <Empty>{t("key.empty")}</Empty>
      ) : (
        <Table
          label={t("keys")}
          head={[[t("name")], [t("by.team")], [t("state")], [t("key.used")], [t("key.requests"), "number"], [t("key.cost"), "number"], [t("key.ends")], [t("actions"), "number"]]}
        >
          {shown.map((key) => (
            <KeyRow key={key.id} of={key} team={teamOf(key)} used={used?.get(key.id)} toggle={() => toggle(key)} act={act} />
          ))}
        </Table>
      )}
    </Card>
  );
}

function KeyRow({ of, team, used, toggle, act }: {
  of: Key;
  team: string;
  used: Row | undefined;
  toggle: () => void;
  act: (doing: Doing) => void;
}): JSX.Element {
  const end = [of.expires_at, of.retires_at].filter((at) => at !== null).sort((a, b) => a - b)[0];
  const isOver = of.state !== "active" && of.state !== "disabled";
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
      </td>
      <td>{of.last_used_at === null && !used ? t("key.never") : used ? t("key.today") : ago(of.last_used_at ?? 0)}</td>
      <td class="number requests">{count(used?.requests ?? 0)}</td>
      <td class="number">
        <Money nano={used?.charged ?? 0n} />
      </td>
      <td title={end === undefined ? undefined : dateTime(end)}>{end === undefined ? t("key.endless") : ago(end)}</td>
      <td>
        <div class="row-actions">
          {mayManage() && of.level !== "session" && !isOver && (
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
          {mayManage() && !isOver && (
            <button type="button" class="button small danger" onClick={() => act({ kind: "revoke", key: of })}>
              {t("key.revoke")}
            </button>
          )}
        </div>
      </td>
    </tr>
  );
}
