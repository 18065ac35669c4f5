// Making and replacing keys. The secret leaves this page with its window and is nowhere kept.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { post } from "../api/http.ts";
import type { Key, MintedKey, Team } from "../api/types.ts";
import { Choice, Copy, Trouble } from "../part/card.tsx";
import { Dialog } from "../part/dialog.tsx";
import { DAY, HOUR } from "../state/range.ts";
import { t } from "../text/text.ts";

/** What a form is sent with, and what came of it. */
function useSending(send: () => Promise<void>): { problem: unknown; isBusy: boolean; submit: (event: Event) => void } {
  const [problem, setProblem] = useState<unknown>(undefined);
  const [isBusy, setBusy] = useState(false);
  const submit = (event: Event): void => {
    event.preventDefault();
    setBusy(true);
    send().catch((error: unknown) => {
      setProblem(error);
      setBusy(false);
    });
  };
  return { problem, isBusy, submit };
}

const LIVES = { "30d": 30 * DAY, "90d": 90 * DAY, "365d": 365 * DAY, endless: undefined } as const;
type Life = keyof typeof LIVES;

/** What of a comma-separated list is something. */
function words(text: string): string[] {
  return text.split(/[,\s]+/).filter((word) => word !== "");
}

function whole(text: string): number | undefined {
  return /^\d+$/.test(text.trim()) ? Number(text.trim()) : undefined;
}

export function NewKey({ teams, level, made, close }: { teams: Team[]; level: "app" | "admin"; made: (key: MintedKey) => void; close: () => void }): JSX.Element {
  const [form, setForm] = useState({ level, name: "", team: teams[0]?.id ?? "", newTeam: "", life: "90d" as Life, models: "", rate: "", tokens: "", concurrent: "", opaque: false });
  const set = (changes: Partial<typeof form>): void => setForm((last) => ({ ...last, ...changes }));
  const isApp = form.level === "app";
  const { problem, isBusy, submit } = useSending(async () => {
    const team = isApp && form.team === "" ? (await post<Team>("/teams", { name: form.newTeam.trim() })).id : form.team;
    const models = words(form.models);
    const limits = { rate_limit: whole(form.rate), token_limit: whole(form.tokens), max_concurrent: whole(form.concurrent) };
    made(
      await post<MintedKey>("/keys", {
        level: form.level,
        name: form.name.trim(),
        ...(team !== "" && { team_id: team }),
        ...(models.length > 0 && { scope: { models } }),
        form: form.opaque ? "opaque" : "jwt",
        ...(isApp && limits),
        expires_in_seconds: LIVES[form.life],
      }),
    );
  });
  return (
    <Dialog title={t("key.new")} close={close}>
      <form class="stack" onSubmit={submit}>
        <Choice label={t("key.level")} of={["app", "admin"] as const} now={form.level} word={(one) => t(`level.${one}`)} choose={(one) => set({ level: one, team: one === "admin" ? "" : (teams[0]?.id ?? "") })} />
        <p class="note">{t(isApp ? "level.app_note" : "level.admin_note")}</p>
        <div class="fields">
          <Field label={t("name")} name="name" value={form.name} set={(name) => set({ name })} required />
          <label class="field">
            <span>{t("by.team")}</span>
            <select name="team" value={form.team} onChange={(event) => set({ team: event.currentTarget.value })}>
              {teams.map((team) => (
                <option key={team.id} value={team.id}>
                  {team.name}
                </option>
              ))}
              <option value="">{isApp ? t("key.new_team") : t("key.platform")}</option>
            </select>
          </label>
          {isApp && form.team === "" && <Field label={t("key.team_name")} name="new-team" value={form.newTeam} set={(newTeam) => set({ newTeam })} required />}
          <label class="field">
            <span>{t("key.life")}</span>
            <select name="life" value={form.life} onChange={(event) => set({ life: event.currentTarget.value as Life })}>
              {(Object.keys(LIVES) as Life[]).map((life) => (
                <option key={life} value={life}>
                  {t(`life.${life}`)}
                </option>
              ))}
            </select>
          </label>
        </div>
        {isApp && (
          <details>
            <summary>{t("key.limits")}</summary>
            <div class="fields">
              <Field label={t("key.models")} name="models" value={form.models} set={(models) => set({ models })} placeholder="nexus-*, gpt-4o" />
              <Field label={t("limit.requests")} name="rate" value={form.rate} set={(rate) => set({ rate })} numeric />
              <Field label={t("limit.tokens")} name="tokens" value={form.tokens} set={(tokens) => set({ tokens })} numeric />
              <Field label={t("limit.concurrent")} name="concurrent" value={form.concurrent} set={(concurrent) => set({ concurrent })} numeric />
              <label class="check all">
                <input type="checkbox" checked={form.opaque} onChange={(event) => set({ opaque: event.currentTarget.checked })} />
                <span>{t("key.opaque")}</span>
              </label>
            </div>
          </details>
        )}
        {problem !== undefined && <Trouble problem={problem} />}
        <div class="dialog-actions">
          <button type="button" class="button" onClick={close}>
            {t("cancel")}
          </button>
          <button type="submit" class="button primary" disabled={isBusy}>
            {t("key.create")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Field({ label, name, value, set, required = false, numeric = false, placeholder }: {
  label: string;
  name: string;
  value: string;
  set: (value: string) => void;
  required?: boolean;
  numeric?: boolean;
  placeholder?: string;
}): JSX.Element {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        name={name}
        value={value}
        required={required}
        autocomplete="off"
        placeholder={placeholder}
        {...(numeric && { inputMode: "numeric", pattern: "\\d*" })}
        onInput={(event) => set(event.currentTarget.value)}
      />
    </label>
  );
}

const OVERLAPS = { now: 0, hour: HOUR, day: DAY, week: 7 * DAY } as const;
type Overlap = keyof typeof OVERLAPS;

export function Rotate({ of, made, close }: { of: Key; made: (key: MintedKey) => void; close: () => void }): JSX.Element {
  const [overlap, setOverlap] = useState<Overlap>("hour");
  const { problem, isBusy, submit } = useSending(async () => {
    made(await post<MintedKey>(`/keys/${of.id}/rotate`, { overlap_seconds: OVERLAPS[overlap] }));
  });
  return (
    <Dialog title={t("key.rotate_title", { name: of.name || of.last_four })} close={close}>
      <form class="stack" onSubmit={submit}>
        <p class="note">{t("key.rotate_note")}</p>
        <Choice label={t("key.overlap")} of={Object.keys(OVERLAPS) as Overlap[]} now={overlap} word={(one) => t(`overlap.${one}`)} choose={setOverlap} />
        {problem !== undefined && <Trouble problem={problem} />}
        <div class="dialog-actions">
          <button type="button" class="button" onClick={close}>
            {t("cancel")}
          </button>
          <button type="submit" class="button primary" disabled={isBusy}>
            {t("key.rotate")}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** The one time a secret is seen. */
export function Secret({ of, close }: { of: MintedKey; close: () => void }): JSX.Element {
  const curl = `curl ${window.location.origin}/v1/chat/completions -H "Authorization: Bearer $NEXUS_KEY" -H "Content-Type: application/json" -d '{"model":"nexus-gpt4","messages":[{"role":"user","content":"hello"}]}'`;
  return (
    <Dialog title={t("key.made", { name: of.name || of.last_four })} close={close}>
      <p class="warning">{t("key.once")}</p>
      <pre class="code secret">{of.key}</pre>
      <div class="dialog-actions">
        <Copy text={of.key} label={t("key.copy")} />
      </div>
      {of.level === "app" && (
        <>
          <p class="note">{t("key.try")}</p>
          <pre class="code">{curl}</pre>
        </>
      )}
      <div class="dialog-actions">
        <button type="button" class="button primary" onClick={close}>
          {t("key.kept")}
        </button>
      </div>
    </Dialog>
  );
}
