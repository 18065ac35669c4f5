// The playground: a chat with a model, or with two beside each other, with what each took and cost.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { usd } from "../format/money.ts";
import { count, language, milliseconds, short } from "../format/number.ts";
import { Card, Trouble, Waiting } from "../part/card.tsx";
import { OwnKey } from "../part/own-key.tsx";
import { href } from "../state/address.ts";
import { ownKey, takeOwnKey, useModels } from "../state/own-key.ts";
import { useSide, type Side, type Turn } from "../state/playground.ts";
import { who } from "../state/session.ts";
import { t } from "../text/text.ts";

const TOOL = `[
  {
    "type": "function",
    "function": {
      "name": "weather",
      "description": "The weather at a place",
      "parameters": { "type": "object", "properties": { "place": { "type": "string" } }, "required": ["place"] }
    }
  }
]`;

export function Playground(): JSX.Element {
  return ownKey.value === "" ? <OwnKey /> : <Ground />;
}

interface Settings {
  system: string;
  isStream: boolean;
  maxTokens: string;
  temperature: string;
  tools: string;
}

function Ground(): JSX.Element {
  const models = useModels();
  const sides = [useSide(), useSide()] as const;
  const [chosen, setChosen] = useState<[string, string | undefined]>(["", undefined]);
  const [settings, setSettings] = useState<Settings>({ system: "", isStream: true, maxTokens: "", temperature: "", tools: "" });
  const [asked, setAsked] = useState("");
  const [problem, setProblem] = useState<unknown>(undefined);
  const known = models.data ?? [];
  const names = [chosen[0] || (known[0] ?? ""), chosen[1]] as const;
  const isBusy = sides.some((side) => side.isBusy);
  const send = (event: Event): void => {
    event.preventDefault();
    let tools: unknown[];
    try {
      tools = settings.tools.trim() === "" ? [] : (JSON.parse(settings.tools) as unknown[]);
    } catch (error) {
      setProblem(error);
      return;
    }
    setProblem(undefined);
    const number = (text: string): number | undefined => (text.trim() === "" ? undefined : Number(text));
    const wish = { isStream: settings.isStream, maxTokens: number(settings.maxTokens), temperature: number(settings.temperature), tools };
    sides.forEach((side, index) => {
      const model = names[index];
      if (model !== undefined) side.send(asked, { ...wish, model }, settings.system);
    });
    setAsked("");
  };
  return (
    <>
      <div class="toolbar">
        <button type="button" class="button small" aria-pressed={names[1] !== undefined} onClick={() => setChosen([chosen[0], chosen[1] === undefined ? (known[1] ?? known[0] ?? "") : undefined])}>
          {t(names[1] === undefined ? "play.compare" : "play.one")}
        </button>
        <div class="toolbar-end">
          <button type="button" class="button small" onClick={() => sides.forEach((side) => side.clear())}>
            {t("play.clear")}
          </button>
          {who.value?.kind !== "holder" && (
            <button type="button" class="button small" onClick={() => takeOwnKey("")}>
              {t("play.other_key")}
            </button>
          )}
        </div>
      </div>
      <Waiting of={models} />
      <div class={names[1] === undefined ? "play" : "play is-two"}>
        {sides.map((side, index) => {
          const name = names[index];
          if (name === undefined) return null;
          return <Column key={index} side={side} models={known} model={name} choose={(model) => setChosen(index === 0 ? [model, chosen[1]] : [chosen[0], model])} />;
        })}
      </div>
      <Card>
        <form class="stack" onSubmit={send}>
          <label class="field">
            <span>{t("play.message")}</span>
            <textarea name="message" rows={3} required value={asked} onInput={(event) => setAsked(event.currentTarget.value)} />
          </label>
          <details>
            <summary>{t("play.settings")}</summary>
            <More of={settings} set={(change) => setSettings({ ...settings, ...change })} />
          </details>
          {problem !== undefined && <p class="trouble" role="alert">{t("play.no_json")}</p>}
          <div class="dialog-actions">
            <label class="check">
              <input type="checkbox" name="stream" checked={settings.isStream} onChange={(event) => setSettings({ ...settings, isStream: event.currentTarget.checked })} />
              <span>{t("play.stream")}</span>
            </label>
            {isBusy && (
              <button type="button" class="button" onClick={() => sides.forEach((side) => side.stop())}>
                {t("play.stop")}
              </button>
            )}
            <button type="submit" class="button primary" disabled={isBusy || names[0] === ""}>
              {t("play.send")}
            </button>
          </div>
        </form>
      </Card>
    </>
  );
}

function More({ of, set }: { of: Settings; set: (change: Partial<Settings>) => void }): JSX.Element {
  return (
    <div class="fields">
      <label class="field all">
        <span>{t("play.system")}</span>
        <textarea name="system" rows={2} value={of.system} onInput={(event) => set({ system: event.currentTarget.value })} />
      </label>
      <label class="field">
        <span>{t("play.max_tokens")}</span>
        <input name="max-tokens" inputMode="numeric" pattern="\d*" value={of.maxTokens} onInput={(event) => set({ maxTokens: event.currentTarget.value })} />
      </label>
      <label class="field">
        <span>{t("play.temperature")}</span>
        <input name="temperature" inputMode="decimal" pattern="\d*\.?\d*" value={of.temperature} onInput={(event) => set({ temperature: event.currentTarget.value })} />
      </label>
      <label class="field all">
        <span>{t("play.tools")}</span>
        <textarea class="mono" name="tools" rows={4} placeholder={TOOL} value={of.tools} onInput={(event) => set({ tools: event.currentTarget.value })} />
      </label>
      <button type="button" class="button small" onClick={() => set({ tools: TOOL })}>
        {t("play.example")}
      </button>
    </div>
  );
}

function Column({ side, models, model, choose }: { side: Side; models: string[]; model: string; choose: (model: string) => void }): JSX.Element {
  return (
    <section class="card play-side" aria-label={model}>
      <select aria-label={t("explain.model")} value={model} onChange={(event) => choose(event.currentTarget.value)}>
        {models.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
      {side.turns.length === 0 && <p class="empty">{t("play.empty")}</p>}
      <ol class="turns" aria-live="polite">
        {side.turns.map((turn, index) => (
          <li key={index}>
            <One of={turn} isOver={!side.isBusy || index < side.turns.length - 1} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function One({ of, isOver }: { of: Turn; isOver: boolean }): JSX.Element {
  const { answer, problem } = of;
  const seconds = ((answer.whole ?? 0) - (answer.firstToken ?? 0)) / 1000;
  const pace = answer.completion !== undefined && answer.whole !== undefined && seconds > 0.05 ? t("play.pace", { n: short(answer.completion / seconds) }) : undefined;
  const parts = [
    answer.firstToken !== undefined && `${t("first_token")} ${milliseconds(answer.firstToken)}`,
    answer.whole !== undefined && milliseconds(answer.whole),
    answer.prompt !== undefined && `${count(answer.prompt)} → ${count(answer.completion ?? 0)}`,
    pace,
  ].filter((part) => part);
  return (
    <>
      <p class="turn-asked">{of.asked}</p>
      {problem !== undefined ? <Trouble problem={problem} /> : <p class="turn-answer">{answer.text || (isOver ? "" : "…")}</p>}
      {answer.tools.map((tool, index) => (
        <pre class="code" key={index}>
          {tool.name}({tool.arguments})
        </pre>
      ))}
      <p class="note turn-facts">
        {parts.join(" · ")}
        {answer.cost !== undefined && <b class="turn-cost"> {answer.cost === null ? t("play.no_cost") : usd(answer.cost, language())}</b>}
        {answer.requestId !== undefined && who.value?.kind !== "holder" && answer.whole !== undefined && (
          <>
            {" · "}
            <a href={href(`requests/${answer.requestId}`)}>{t("log.request")}</a>
          </>
        )}
      </p>
    </>
  );
}
