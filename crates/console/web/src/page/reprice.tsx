// Pricing the past again: a preview tells by how much it would become dearer or cheaper, and changes nothing.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { list, post } from "../api/http.ts";
import type { Reprice } from "../api/prices.ts";
import { count, dateTime } from "../format/number.ts";
import { Badge, Card, Empty, Money, Table, Trouble, Waiting } from "../part/card.tsx";
import { Confirm } from "../part/dialog.tsx";
import { changed, useQuery } from "../state/query.ts";
import { DAY } from "../state/range.ts";
import { mayPlatform } from "../state/session.ts";
import { t } from "../text/text.ts";

const FRESH_MS = 2000;
const TONES = { running: "warn", done: "good", stopped: "plain" } as const;

function day(at: number): string {
  return new Date(at * 1000).toISOString().slice(0, 10);
}

export function Reprices(): JSX.Element {
  const jobs = useQuery("reprices", (signal) => list<Reprice>("/prices/reprices", {}, signal), FRESH_MS);
  const today = Math.floor(Date.now() / 1000 / DAY) * DAY;
  const [form, setForm] = useState({ from: day(today - 30 * DAY), until: day(today + DAY), model: "" });
  const [problem, setProblem] = useState<unknown>(undefined);
  const [confirmed, setConfirmed] = useState<Reprice | undefined>(undefined);
  const set = (change: Partial<typeof form>): void => setForm((last) => ({ ...last, ...change }));
  const submit = (event: Event): void => {
    event.preventDefault();
    const moment = (text: string): number => Date.parse(`${text}T00:00:00Z`) / 1000;
    const wish = { from: moment(form.from), until: moment(form.until), is_preview: true, ...(form.model.trim() !== "" && { real_name: form.model.trim() }) };
    post("/prices/reprice", wish).then(() => (setProblem(undefined), changed()), setProblem);
  };
  return (
    <Card title={t("reprice")} note={t("reprice.note")}>
      {mayPlatform() && (
        <form class="filter-fields" onSubmit={submit}>
          <label class="field">
            <span>{t("range.from")} (UTC)</span>
            <input type="date" name="reprice-from" required value={form.from} max={form.until} onInput={(event) => set({ from: event.currentTarget.value })} />
          </label>
          <label class="field">
            <span>{t("range.until")} (UTC)</span>
            <input type="date" name="reprice-until" required value={form.until} min={form.from} onInput={(event) => set({ until: event.currentTarget.value })} />
          </label>
          <label class="field">
            <span>{t("by.model")}</span>
            <input name="reprice-model" autocomplete="off" placeholder={t("filters.all")} value={form.model} onInput={(event) => set({ model: event.currentTarget.value })} />
          </label>
          <button type="submit" class="button">
            {t("reprice.preview")}
          </button>
        </form>
      )}
      {problem !== undefined && <Trouble problem={problem} />}
      <Waiting of={jobs} />
      {jobs.data?.length === 0 && <Empty>{t("reprice.empty")}</Empty>}
      {jobs.data && jobs.data.length > 0 && (
        <Table label={t("reprice")} head={[[t("at")], [t("reprice.time")], [t("state")], [t("reprice.looked"), "number"], [t("reprice.changed"), "number"], [t("reprice.raised"), "number"], [t("reprice.lowered"), "number"], [t("actions"), "number"]]}>
          {jobs.data.map((job) => (
            <tr key={job.id}>
              <td>{dateTime(job.created_at)}</td>
              <td class="cell-name">
                {day(job.from)} – {day(job.until)}
                {job.real_name !== null && <p class="note">{job.real_name}</p>}
              </td>
              <td>
                <Badge tone={TONES[job.state]}>{t(`reprice.${job.state}`)}</Badge>
                {job.is_preview && <p class="note">{t("reprice.only")}</p>}
              </td>
              <td class="number">{count(job.looked_at)}</td>
              <td class="number">{count(job.changed)}</td>
              <td class="number">
                <Money nano={BigInt(job.raised_nano_usd)} />
              </td>
              <td class="number">
                <Money nano={BigInt(job.lowered_nano_usd)} />
              </td>
              <td class="number">
                {mayPlatform() && job.is_preview && job.state === "done" && job.changed > 0 && (
                  <button type="button" class="button small danger" onClick={() => setConfirmed(job)}>
                    {t("reprice.do")}
                  </button>
                )}
              </td>
            </tr>
          ))}
        </Table>
      )}
      {confirmed && (
        <Confirm title={t("reprice.do")} text={t("reprice.do_note", { n: count(confirmed.changed) })} name={`${day(confirmed.from)} – ${day(confirmed.until)}`} action={t("reprice.do")} close={() => setConfirmed(undefined)} run={async () => {
          await post("/prices/reprice", { from: confirmed.from, until: confirmed.until, is_preview: false, ...(confirmed.real_name !== null && { real_name: confirmed.real_name }) });
          changed();
        }} />
      )}
    </Card>
  );
}
