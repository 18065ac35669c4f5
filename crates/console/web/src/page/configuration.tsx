// The configuration out as a file and in as a difference: what it would change is shown before it is carried out.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { exchange, post, Raw } from "../api/http.ts";
import { download } from "../api/download.ts";
import { Badge, Card, Empty, Table, Trouble } from "../part/card.tsx";
import { Confirm } from "../part/dialog.tsx";
import { changed } from "../state/query.ts";
import { mayPlatform } from "../state/session.ts";
import { named, t } from "../text/text.ts";

interface Difference {
  change: string;
  fields?: string[];
  name?: string;
  provider?: string | null;
  alias?: string;
  real_name?: string;
  team?: string | null;
}

type Differences = Record<"providers" | "model_routes" | "rules" | "prices" | "quotas", Difference[]> & { without_key: string[] };

const KINDS = ["providers", "model_routes", "rules", "prices", "quotas"] as const;

/** What a difference is of. */
function whatOf({ name, provider, alias, real_name, team }: Difference): string {
  return [name, provider, alias, real_name, team].filter((part) => part !== undefined && part !== null).join(" · ");
}

export function Configuration(): JSX.Element {
  const [text, setText] = useState("");
  const [told, setTold] = useState<{ body: Raw; differences: Differences } | undefined>(undefined);
  const [problem, setProblem] = useState<unknown>(undefined);
  const [isSure, setSure] = useState(false);
  const take = (format: "yaml" | "json"): void =>
    void exchange("GET", "/config", { query: { format } }).then((answer) => download(answer, `nexus.${format}`)).then(() => setProblem(undefined), setProblem);
  const compare = async (event: Event): Promise<void> => {
    event.preventDefault();
    setTold(undefined);
    try {
      // looked at and sent as it was written: its amounts are longer than a number here
      JSON.parse(text);
      const body = new Raw(text);
      setTold({ body, differences: await post<Differences>("/config/diff", body) });
      setProblem(undefined);
    } catch (error) {
      setProblem(error);
    }
  };
  return (
    <Card
      title={t("config")}
      note={t("config.note")}
      actions={
        <div class="row-actions">
          <button type="button" class="button small" onClick={() => take("yaml")}>
            YAML
          </button>
          <button type="button" class="button small" onClick={() => take("json")}>
            JSON
          </button>
        </div>
      }
    >
      {mayPlatform() && (
        <form class="stack" onSubmit={(event) => void compare(event)}>
          <label class="field">
            <span>{t("config.in")}</span>
            <textarea class="mono" name="configuration" rows={4} required value={text} onInput={(event) => setText(event.currentTarget.value)} />
          </label>
          <div class="dialog-actions">
            <button type="submit" class="button">
              {t("config.compare")}
            </button>
          </div>
        </form>
      )}
      {problem instanceof SyntaxError ? <p class="trouble" role="alert">{t("config.no_json")}</p> : problem !== undefined && <Trouble problem={problem} />}
      {told && <Told of={told.differences} carryOut={() => setSure(true)} />}
      {told && isSure && (
        <Confirm title={t("config.apply")} text={t("config.apply_note")} action={t("config.apply")} close={() => setSure(false)} run={async () => {
          await post("/config/apply", told.body);
          setTold(undefined);
          setText("");
          changed();
        }} />
      )}
    </Card>
  );
}

function Told({ of, carryOut }: { of: Differences; carryOut: () => void }): JSX.Element {
  const rows = KINDS.flatMap((kind) => of[kind].filter(({ change }) => change !== "unchanged").map((difference) => ({ kind, difference })));
  if (rows.length === 0) return <Empty>{t("config.same")}</Empty>;
  return (
    <div class="stack explained">
      {of.without_key.length > 0 && <p class="warning">{t("config.without_key", { names: of.without_key.join(", ") })}</p>}
      <Table label={t("diff")} head={[[t("price.kind")], [t("name")], [t("state")], [t("config.fields")]]}>
        {rows.map(({ kind, difference }) => (
          <tr key={`${kind} ${whatOf(difference)}`}>
            <td>{t(`config.${kind}`)}</td>
            <td class="cell-name">{whatOf(difference)}</td>
            <td>
              <Badge tone={difference.change === "created" ? "good" : "warn"}>{named("fate", difference.change)}</Badge>
            </td>
            <td class="cell-name mono">{(difference.fields ?? []).join(", ")}</td>
          </tr>
        ))}
      </Table>
      <div class="dialog-actions config-actions">
        <button type="button" class="button primary" onClick={carryOut}>
          {t("config.apply")}
        </button>
      </div>
    </div>
  );
}
