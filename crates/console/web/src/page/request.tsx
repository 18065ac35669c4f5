// One request: what was decided and why, its attempts on one line of time, what was counted and what that cost.

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { get, remove } from "../api/http.ts";
import { arrivalOf, durationOf, pricesOf, tokensOf, type Attempt, type Content, type Request, type TargetPrice } from "../api/requests.ts";
import { count, dateTime, milliseconds } from "../format/number.ts";
import { Badge, Card, Copy, Money, Table, Trouble, Waiting } from "../part/card.tsx";
import { Confirm } from "../part/dialog.tsx";
import { Pair } from "../part/pair.tsx";
import { PriceLines } from "../part/price-lines.tsx";
import { Waterfall } from "../part/waterfall.tsx";
import { address, href } from "../state/address.ts";
import { nameOf, useNames } from "../state/names.ts";
import { changed, useQuery } from "../state/query.ts";
import { mayManage } from "../state/session.ts";
import { ended, named, t } from "../text/text.ts";
import { toneOf } from "./requests.tsx";

export function RequestPage({ id }: { id: string }): JSX.Element {
  const request = useQuery(`request ${id}`, (signal) => get<Request>(`/requests/${id}`, {}, signal));
  const alias = request.data?.alias;
  const prices = useQuery(`prices of ${alias ?? ""}`, (signal) => (alias === undefined ? Promise.resolve([]) : pricesOf(alias, signal)));
  return (
    <>
      <p>
        <a href={href("requests", Object.fromEntries(address.value.query))}>← {t("log.back")}</a>
      </p>
      <Waiting of={request} />
      {request.data && <Head of={request.data} />}
      {request.data && (
        <Card title={t("request.way")} note={t("request.way_note")}>
          <Waterfall of={request.data} />
        </Card>
      )}
      {request.data?.attempts.map((attempt) => <One key={attempt.id} of={attempt} asked={request.data?.alias ?? ""} prices={prices.data ?? []} />)}
      {request.data && <Said of={request.data} />}
    </>
  );
}

function Head({ of }: { of: Request }): JSX.Element {
  const names = useNames();
  const tokens = tokensOf(of.attempts);
  const list = href("requests", { key: of.key_id });
  return (
    <Card
      title={of.alias}
      note={
        <>
          {named("operation", of.operation)}
          {of.is_stream && ` · ${t("log.stream")}`}
        </>
      }
      actions={<Badge tone={toneOf(of.status)}>{`${of.status} · ${ended(of.outcome)}`}</Badge>}
    >
      <dl class="pairs">
        <Pair word={t("at")} value={dateTime(arrivalOf(of.attempts) / 1000)} />
        <Pair word={t("latency")} value={milliseconds(durationOf(of))} />
        <Pair word={t("tokens")} value={`${count(tokens.prompt)} → ${count(tokens.answer)}`} />
        <Put word={t("cost")}>
          <Money nano={BigInt(of.cost_nano_usd)} />
        </Put>
        {of.team_id && <Pair word={t("by.team")} value={nameOf(names.teams, of.team_id)} />}
        <Put word={t("by.key")}>
          <a href={list}>{nameOf(names.keys, of.key_id)}</a>
        </Put>
        {of.user && <Pair word={t("by.user")} value={of.user} />}
        {of.tags.length > 0 && <Pair word={t("by.tag")} value={of.tags.join(", ")} />}
      </dl>
      <p class="id-line">
        <span class="mono">{of.id}</span> <Copy text={of.id} label={t("copy")} />
      </p>
    </Card>
  );
}

function Put({ word, children }: { word: string; children: ComponentChildren }): JSX.Element {
  return (
    <div>
      <dt>{word}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function One({ of, asked, prices }: { of: Attempt; asked: string; prices: TargetPrice[] }): JSX.Element {
  const bytes = (value: number | null): string => (value === null ? "–" : t("bytes", { n: count(value) }));
  return (
    <Card
      title={t("request.attempt", { n: count(of.number), target: [of.provider, of.model, of.region].filter((part) => part !== null).join(" · ") })}
      note={of.policy === null ? t("request.forgotten") : t("request.chosen", { policy: named("policy", of.policy), route: of.route ?? asked })}
      actions={<Badge tone={toneOf(of.status)}>{`${of.status} · ${ended(of.outcome)}`}</Badge>}
    >
      <div class="halves">
        <dl class="pairs">
          {of.before_us !== null && <Pair word={t("request.before")} value={milliseconds(of.before_us / 1000)} />}
          <Pair word={t("first_token")} value={of.first_token_us === null ? "–" : milliseconds(of.first_token_us / 1000)} />
          <Pair word={t("latency")} value={milliseconds(of.duration_us / 1000)} />
          <Pair word={t("request.sent")} value={bytes(of.request_bytes)} />
          <Pair word={t("request.received")} value={bytes(of.answer_bytes)} />
          <Pair word={t("request.counted_by")} value={named("source", of.source)} />
          {of.doubt && <Pair word={t("request.doubt")} value={named("doubt", of.doubt)} />}
          <Pair word={t("request.bearer")} value={named("bearer", of.bearer)} />
          {of.provider_request_id && <Pair word={t("request.theirs")} value={of.provider_request_id} />}
        </dl>
        <PriceLines of={of} prices={prices} />
      </div>
      {of.raw_usage !== null && (
        <details class="raw">
          <summary>{t("request.raw")}</summary>
          <pre class="code scroll" tabIndex={0}>{JSON.stringify(of.raw_usage, undefined, 2)}</pre>
        </details>
      )}
      {of.passed_over.length > 0 && (
        <Table label={t("request.passed_over")} head={[[t("request.passed_over")], [t("request.why")]]}>
          {of.passed_over.map((passed) => (
            <tr key={`${passed.provider} ${passed.model} ${passed.region ?? ""}`}>
              <td class="cell-name">{[passed.provider, passed.model, passed.region].filter((part) => part !== null).join(" · ")}</td>
              <td>{named("against", passed.why)}</td>
            </tr>
          ))}
          {of.passed_over_more > 0 && (
            <tr>
              <td colSpan={2}>{t("request.passed_more", { n: count(of.passed_over_more) })}</td>
            </tr>
          )}
        </Table>
      )}
    </Card>
  );
}

/** What it said, where that is kept; each look is written into the audit trail, so it is asked for first. */
function Said({ of }: { of: Request }): JSX.Element {
  const [content, setContent] = useState<Content | undefined>(undefined);
  const [problem, setProblem] = useState<unknown>(undefined);
  const [isDeleting, setDeleting] = useState(false);
  const look = (): void => void get<Content>(`/requests/${of.id}/content`).then(setContent, setProblem);
  return (
    <Card title={t("request.said")} note={of.content ? t("request.kept", { bytes: count(of.content.bytes), until: dateTime(of.content.expires_at) }) : t("request.not_kept")}>
      {of.content && mayManage() && (
        <div class="said-actions">
          {!content && (
            <button type="button" class="button small" onClick={look}>
              {t("request.look")}
            </button>
          )}
          <button type="button" class="button small danger" onClick={() => setDeleting(true)}>
            {t("remove")}
          </button>
        </div>
      )}
      {isDeleting && (
        <Confirm title={t("request.forget")} text={t("remove.note")} action={t("remove")} close={() => setDeleting(false)} run={async () => {
          await remove(`/requests/${of.id}/content`);
          setContent(undefined);
          changed();
        }} />
      )}
      {problem !== undefined && <Trouble problem={problem} />}
      {content && (
        <div class="stack">
          {content.is_cut && <p class="warning">{t("request.cut")}</p>}
          <h3>{t("tokens.prompt")}</h3>
          <pre class="code scroll" tabIndex={0}>{content.prompt}</pre>
          <h3>{t("tokens.completion")}</h3>
          <pre class="code scroll" tabIndex={0}>{content.answer}</pre>
        </div>
      )}
    </Card>
  );
}
