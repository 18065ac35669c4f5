// The time everything on the page is about.

import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { address, ask } from "../state/address.ts";
import { PRESETS, readRange, writeRange, type Range } from "../state/range.ts";
import { t } from "../text/text.ts";
import { Choice } from "./card.tsx";

/** The range of the URL, as of now. */
export function presentRange(): Range {
  return readRange(address.value.query, Date.now() / 1000);
}

const CUSTOM = "custom";
const OFFERED = [...PRESETS, CUSTOM] as const;

export function RangePicker(): JSX.Element {
  const range = presentRange();
  const [isOpen, setOpen] = useState(range.preset === undefined);
  const choose = (one: (typeof OFFERED)[number]): void => {
    setOpen(one === CUSTOM);
    if (one !== CUSTOM) ask(writeRange({ preset: one }));
  };
  return (
    <div class="range">
      <Choice
        label={t("range")}
        of={OFFERED}
        now={isOpen ? CUSTOM : range.preset}
        word={(one) => (one === CUSTOM ? t("range.custom") : one)}
        choose={choose}
      />
      {isOpen && <Ends range={range} />}
    </div>
  );
}

/** A moment as a field for local times writes it. */
function local(at: number): string {
  const date = new Date(at * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function Ends({ range }: { range: Range }): JSX.Element {
  const [from, setFrom] = useState(local(range.from));
  const [until, setUntil] = useState(local(range.until));
  const submit = (event: Event): void => {
    event.preventDefault();
    const ends = { from: new Date(from).getTime() / 1000, until: new Date(until).getTime() / 1000 };
    if (ends.until > ends.from) ask(writeRange(ends));
  };
  return (
    <form class="ends" onSubmit={submit}>
      <input type="datetime-local" aria-label={t("range.from")} value={from} max={until} required onInput={(event) => setFrom(event.currentTarget.value)} />
      <span aria-hidden="true">–</span>
      <input type="datetime-local" aria-label={t("range.until")} value={until} min={from} required onInput={(event) => setUntil(event.currentTarget.value)} />
      <button type="submit" class="button small">
        {t("range.show")}
      </button>
    </form>
  );
}
