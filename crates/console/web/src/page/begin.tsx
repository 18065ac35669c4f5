// What is still to be done before the first call gets through: a gateway that was just started has nothing yet.

import type { JSX } from "preact";
import { list } from "../api/http.ts";
import type { Key, Provider, Route } from "../api/types.ts";
import { Card } from "../part/card.tsx";
import { Icon } from "../part/icon.tsx";
import { href } from "../state/address.ts";
import { useQuery } from "../state/query.ts";
import { t, type Word } from "../text/text.ts";

const FRESH_MS = 5000;

interface Step {
  word: Word;
  page: string;
  isDone: boolean;
}

async function load(signal: AbortSignal): Promise<Step[]> {
  const [providers, routes, keys] = await Promise.all([list<Provider>("/providers", {}, signal), list<Route>("/model-routes", {}, signal), list<Key>("/keys", { level: "app", state: "active" }, signal)]);
  return [
    { word: "begin.provider", page: "providers", isDone: providers.length > 0 },
    { word: "begin.route", page: "routes", isDone: routes.length > 0 },
    { word: "begin.key", page: "keys", isDone: keys.length > 0 },
  ];
}

/** Nothing, once everything is done. */
export function Begin(): JSX.Element | null {
  const steps = useQuery("begin", load, FRESH_MS);
  if (!steps.data || steps.data.every(({ isDone }) => isDone)) return null;
  const next = steps.data.findIndex(({ isDone }) => !isDone);
  return (
    <Card title={t("begin")} note={t("begin.note")} className="begin">
      <ol>
        {[...steps.data, { word: "begin.call", page: "setup", isDone: false } as const].map(({ word, page, isDone }, index) => (
          <li key={page} class={isDone ? "is-done" : index === next ? "is-next" : ""}>
            <span class="begin-mark">{isDone ? <Icon name="check" /> : index + 1}</span>
            <a href={href(page)}>{t(word)}</a>
          </li>
        ))}
      </ol>
    </Card>
  );
}
