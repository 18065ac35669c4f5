// One target as it is this second: its breaker, what is left there, what failed, and its latest attempts.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, post, type Listing } from "../api/http.ts";
import type { Request } from "../api/requests.ts";
import type { Span, Target } from "../api/types.ts";
import { count, milliseconds, percent, time } from "../format/number.ts";
import { Badge, Table, Trouble, Waiting } from "../part/card.tsx";
import { Dialog } from "../part/dialog.tsx";
import { Pair } from "../part/pair.tsx";
import { href } from "../state/address.ts";
import { changed, useQuery } from "../state/query.ts";
import { mayPlatform } from "../state/session.ts";
import { ended, named, t } from "../text/text.ts";
import { share, SPANS, type SpanName } from "./health.tsx";
import { toneOf } from "./requests.tsx";

const ROWS = 8;
const FRESH_MS = 2000;

export function TargetDetails({ target, close }: { target: Target; close: () => void }): JSX.Element {
  const [problem, setProblem] = useState<unknown>(undefined);
  const reset = async (): Promise<void> => {
    try {
      await post(`/model-routes/${target.model_route_id}/reset`);
      setProblem(undefined);
      changed();
    } catch (error) {
      setProblem(error);
    }
  };
  const { learned, check } = target;
  const left = (remaining: number | null, limit: number | null): string =>
    remaining === null ? "–" : limit === null ? count(remaining) : `${count(remaining)} / ${count(limit)}`;
  return (
    <Dialog title={`${target.provider} · ${target.real_name}`} close={close}>
      <dl class="pairs">
        <Pair word={t("health.breaker")} value={t(`health.${target.breaker}`)} />
        {target.open_for_ms !== null && <Pair word={t("health.open_for")} value={milliseconds(target.open_for_ms)} />}
        {target.resting_for_ms !== null && <Pair word={t("health.resting_for")} value={milliseconds(target.resting_for_ms)} />}
        {learned && <Pair word={t("health.requests_left")} value={left(learned.requests_remaining, learned.requests_limit)} />}
        {learned && <Pair word={t("health.tokens_left")} value={left(learned.tokens_remaining, learned.tokens_limit)} />}
        {check && <Pair word={t("health.check")} value={check.fault ? named("fault", check.fault) : milliseconds(check.latency_ms)} />}
        <Pair word={t("health.pace")} value={milliseconds(target.first_token_ms)} />
      </dl>
      <div class="table" role="region" aria-label={t("health.spans")} tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("health.span")}</th>
              <th scope="col" class="number">{t("requests")}</th>
              <th scope="col" class="number">{t("health.answered")}</th>
              <th scope="col" class="number">p95</th>
              <th scope="col">{t("health.faults")}</th>
            </tr>
          </thead>
          <tbody>
            {SPANS.map((span) => (
              <SpanRow key={span} name={span} span={target[span]} />
            ))}
          </tbody>
        </table>
      </div>
      <Attempts of={target} />
      {problem !== undefined && <Trouble problem={problem} />}
      <div class="dialog-actions">
        <button type="button" class="button" disabled={!mayPlatform() || (target.breaker === "closed" && target.resting_for_ms === null)} onClick={() => void reset()}>
          {t("health.reset")}
        </button>
      </div>
    </Dialog>
  );
}

/** The latest requests that were tried there first, and how each ended. */
function Attempts({ of }: { of: Target }): JSX.Element {
  const only = { provider: of.provider, model: of.real_name };
  const rows = useQuery(`attempts ${of.provider} ${of.real_name}`, async (signal) => (await get<Listing<Request>>("/requests", { ...only, limit: ROWS }, signal)).data, FRESH_MS);
  return (
    <>
      <h3>
        {t("health.attempts")} <a href={href("requests", only)}>{t("health.all_attempts")}</a>
      </h3>
      <Waiting of={rows} />
      {rows.data && rows.data.length > 0 && (
        <Table label={t("health.attempts")} head={[[t("at")], [t("status")], [t("health.ended")], [t("latency"), "number"]]}>
          {rows.data.map(({ id, at, attempts: [first] }) => (
            <tr key={id}>
              <td>
                <a href={href(`requests/${id}`)}>{time(at)}</a>
              </td>
              <td>{first && <Badge tone={toneOf(first.status)}>{first.status}</Badge>}</td>
              <td>{first && ended(first.outcome)}</td>
              <td class="number">{first && milliseconds(first.duration_us / 1000)}</td>
            </tr>
          ))}
        </Table>
      )}
    </>
  );
}

function SpanRow({ name, span }: { name: SpanName; span: Span }): JSX.Element {
  const answered = share(span);
  const faults = Object.entries(span.failed).map(([fault, n]) => `${named("fault", fault)} ${count(n)}`);
  return (
    <tr>
      <th scope="row">{t(`health.${name}`)}</th>
      <td class="number">{count(span.requests)}</td>
      <td class="number">{answered === undefined ? "–" : percent(answered)}</td>
      <td class="number">{milliseconds(span.latency_ms.p95)}</td>
      <td>{faults.join(", ") || "–"}</td>
    </tr>
  );
}
