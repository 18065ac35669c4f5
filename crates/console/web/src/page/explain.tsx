// Where a request would go, and why everybody else would not be asked. Nothing is sent.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { post } from "../api/http.ts";
import type { Candidate, Explanation } from "../api/types.ts";
import { usd } from "../format/money.ts";
import { count, language } from "../format/number.ts";
import { Badge, Card, Table, Trouble } from "../part/card.tsx";
import { useNames } from "../state/names.ts";
import { named, t } from "../text/text.ts";

export function Explain(): JSX.Element {
  const names = useNames();
  const [form, setForm] = useState({ model: "", team: "", tokens: "1000", stream: false });
  const [told, setTold] = useState<Explanation | undefined>(undefined);
  const [problem, setProblem] = useState<unknown>(undefined);
  const set = (change: Partial<typeof form>): void => setForm((last) => ({ ...last, ...change }));
  const submit = (event: Event): void => {
    event.preventDefault();
    const question = { model: form.model, stream: form.stream, input_tokens: Number(form.tokens) || 0, ...(form.team !== "" && { team_id: form.team }) };
    post<Explanation>("/routes/explain", question).then(
      (answer) => (setTold(answer), setProblem(undefined)),
      (error: unknown) => (setTold(undefined), setProblem(error)),
    );
  };
  return (
    <Card title={t("explain")} note={t("explain.note")}>
      <form class="filter-fields" onSubmit={submit}>
        <label class="field">
          <span>{t("explain.model")}</span>
          <input name="model" required autocomplete="off" value={form.model} onInput={(event) => set({ model: event.currentTarget.value })} />
        </label>
        <label class="field">
          <span>{t("explain.team")}</span>
          <select name="explain-team" value={form.team} onChange={(event) => set({ team: event.currentTarget.value })}>
            <option value="">{t("explain.no_team")}</option>
            {[...names.teams].map(([id, name]) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>{t("explain.tokens")}</span>
          <input name="tokens" inputMode="numeric" pattern="\d*" value={form.tokens} onInput={(event) => set({ tokens: event.currentTarget.value })} />
        </label>
        <label class="check">
          <input type="checkbox" checked={form.stream} onChange={(event) => set({ stream: event.currentTarget.checked })} />
          <span>{t("explain.stream")}</span>
        </label>
        <button type="submit" class="button">
          {t("explain.ask")}
        </button>
      </form>
      {problem !== undefined && <Trouble problem={problem} />}
      {told && <Told of={told} />}
    </Card>
  );
}

function targetOf({ provider, real_name, region }: Candidate): string {
  return [provider, real_name, region].filter((part) => part !== null).join(" · ");
}

function Told({ of }: { of: Explanation }): JSX.Element {
  const chosen = of.chosen === null ? undefined : of.candidates[of.chosen];
  return (
    <div class="stack explained">
      <p>
        {chosen ? t("explain.chosen", { target: targetOf(chosen), policy: named("policy", of.policy) }) : t("explain.nobody", { why: named("against", of.because ?? "") })} {of.is_forced && t("explain.forced")}
      </p>
      <Table label={t("explain")} head={[[t("log.target")], [t("state")], [t("route.tier"), "number"], [t("provider.weight"), "number"], [t("live.under_way"), "number"], [t("cost"), "number"]]}>
        {of.candidates.map((candidate, index) => (
          <tr key={targetOf(candidate)}>
            <td class="cell-name">{targetOf(candidate)}</td>
            <td>
              <Badge tone={candidate.against !== null ? "warn" : index === of.chosen ? "good" : "plain"}>
                {candidate.against !== null ? named("against", candidate.against) : t(index === of.chosen ? "explain.would" : "explain.can")}
              </Badge>
            </td>
            <td class="number">{candidate.tier}</td>
            <td class="number">{candidate.weight}</td>
            <td class="number">{count(candidate.in_flight)}</td>
            <td class="number">{candidate.cost_nano_usd === null ? "–" : usd(BigInt(candidate.cost_nano_usd), language())}</td>
          </tr>
        ))}
      </Table>
    </div>
  );
}
