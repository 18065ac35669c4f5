// Which application key the page calls models with: one that is shown, or one that is made for an hour.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { modelsOf } from "../api/gateway.ts";
import { post } from "../api/http.ts";
import type { MintedKey } from "../api/types.ts";
import { useNames } from "../state/names.ts";
import { takeOwnKey } from "../state/own-key.ts";
import { changed } from "../state/query.ts";
import { HOUR } from "../state/range.ts";
import { mayManage } from "../state/session.ts";
import { t } from "../text/text.ts";
import { Card, Trouble } from "./card.tsx";

export function OwnKey(): JSX.Element {
  const names = useNames();
  const [written, setWritten] = useState("");
  const [team, setTeam] = useState("");
  const [problem, setProblem] = useState<unknown>(undefined);
  const chosen = team || ([...names.teams.keys()][0] ?? "");
  const take = (key: string): Promise<void> => modelsOf(key).then(() => (setProblem(undefined), takeOwnKey(key)), setProblem);
  const use = (event: Event): void => {
    event.preventDefault();
    void take(written.trim());
  };
  const make = async (): Promise<void> => {
    try {
      const { key } = await post<MintedKey>("/keys", { level: "app", team_id: chosen, name: t("own_key.name"), expires_in_seconds: HOUR });
      changed();
      await take(key);
    } catch (error) {
      setProblem(error);
    }
  };
  return (
    <Card title={t("own_key")} note={t("own_key.note")}>
      <form class="own-key" onSubmit={use}>
        <label class="field">
          <span>{t("own_key.shown")}</span>
          <input type="password" name="own-key" autocomplete="off" required value={written} onInput={(event) => setWritten(event.currentTarget.value)} />
        </label>
        <button type="submit" class="button">
          {t("own_key.use")}
        </button>
        {mayManage() && names.teams.size > 0 && (
          <>
            <label class="field">
              <span>{t("own_key.make_for")}</span>
              <select name="own-team" value={chosen} onChange={(event) => setTeam(event.currentTarget.value)}>
                {[...names.teams].map(([id, name]) => (
                  <option key={id} value={id}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
            <button type="button" class="button primary" onClick={() => void make()}>
              {t("own_key.make")}
            </button>
          </>
        )}
      </form>
      {problem !== undefined && <Trouble problem={problem} />}
    </Card>
  );
}
