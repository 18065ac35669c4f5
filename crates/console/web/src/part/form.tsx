// Making and changing things of the administration: fields are told as data, a change shows what becomes another before
// it is sent, and only that is sent.

import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import { t, type Word } from "../text/text.ts";
import { Trouble } from "./card.tsx";
import { Dialog } from "./dialog.tsx";
import { changes } from "../format/changes.ts";
import { Diff } from "./diff.tsx";

export type Value = string | number | bigint | boolean | null | string[];
export type Values = Record<string, Value>;

export interface Field {
  /** The administration's name of the member. */
  name: string;
  word: Word;
  /** `number`: whole, empty is null. `list`: words with commas. */
  kind?: "text" | "number" | "list" | "check" | "secret" | "long";
  of?: readonly (readonly [value: string, label: string])[];
  note?: Word;
  placeholder?: string;
  isRequired?: boolean;
  /** An empty text is null. */
  isNullable?: boolean;
  /** Whether it is asked for, given what is written so far. */
  when?: (values: Values) => boolean;
}

interface Wish {
  title: string;
  note?: string | undefined;
  fields: readonly Field[];
  /** What the fields begin with. */
  from: Values;
  action: string;
  /** Whether the thing is there and only what becomes another is sent. */
  isChange?: boolean;
  send: (values: Values) => Promise<void>;
  close: () => void;
  children?: (values: Values) => JSX.Element | null;
}

export function words(text: string): string[] {
  return text.split(/[,\s]+/).filter((word) => word !== "");
}

/** A whole number of any length; none where nothing is written. What is no number is not sent: the field says so. */
function whole(text: string): number | bigint | null {
  if (text === "") return null;
  return /^\d{16,}$/.test(text) ? BigInt(text) : Number(text);
}

/** What a field's text says. */
function read(field: Field, text: string): Value {
  if (field.kind === "list") return words(text);
  if (field.kind === "number") return whole(text.trim());
  return text === "" && field.isNullable ? null : text;
}

function text(value: Value | undefined): string {
  if (value === null || value === undefined) return "";
  return Array.isArray(value) ? value.join(", ") : String(value);
}

export function Form(wish: Wish): JSX.Element {
  const { title, note, fields, from, action, isChange = false, send, close, children } = wish;
  const [values, setValues] = useState<Values>(from);
  const [problem, setProblem] = useState<unknown>(undefined);
  const [isBusy, setBusy] = useState(false);
  const shown = fields.filter((field) => field.when?.(values) ?? true);
  const said: Values = Object.fromEntries(shown.flatMap(({ name }) => (values[name] === undefined ? [] : [[name, values[name]]])));
  const others = changes(from, { ...from, ...said });
  const word = (name: string): string => {
    const field = fields.find((one) => one.name === name);
    return field ? t(field.word) : name;
  };
  const isSecret = (name: string): boolean => fields.some((field) => field.name === name && field.kind === "secret");
  const submit = (event: Event): void => {
    event.preventDefault();
    setBusy(true);
    const names = new Set(others.map(({ name }) => name.split(".")[0]));
    const sent = isChange ? Object.fromEntries(Object.entries(said).filter(([name]) => names.has(name))) : said;
    send(sent).then(close, (error: unknown) => {
      setProblem(error);
      setBusy(false);
    });
  };
  return (
    <Dialog title={title} close={close}>
      <form class="stack" onSubmit={submit}>
        {note !== undefined && <p class="note">{note}</p>}
        <div class="fields">
          {shown.map((field) => (
            <Input key={field.name} field={field} value={values[field.name]} set={(value) => setValues((last) => ({ ...last, [field.name]: value }))} />
          ))}
        </div>
        {children?.(values)}
        {isChange && others.length > 0 && <Diff of={others.map((one) => (isSecret(one.name) ? { ...one, before: "…", after: "••••" } : one))} word={word} />}
        {problem !== undefined && <Trouble problem={problem} />}
        <div class="dialog-actions">
          <button type="button" class="button" onClick={close}>
            {t("cancel")}
          </button>
          <button type="submit" class="button primary" disabled={isBusy || (isChange && others.length === 0)}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function Input({ field, value, set }: { field: Field; value: Value | undefined; set: (value: Value) => void }): JSX.Element {
  const id = useId();
  const { name, word, kind = "text", of, note, placeholder, isRequired = false } = field;
  // what is written stays as it is written: a list is not put in order under the cursor
  const [own, setOwn] = useState(text(value));
  if (kind === "check") {
    return (
      <label class="check all">
        <input type="checkbox" name={name} checked={value === true} onChange={(event) => set(event.currentTarget.checked)} />
        <span>{t(word)}</span>
      </label>
    );
  }
  const change = (event: { currentTarget: { value: string } }): void => {
    setOwn(event.currentTarget.value);
    set(read(field, event.currentTarget.value));
  };
  const shared = { name, value: own, required: isRequired, "aria-describedby": note && id };
  return (
    <label class={kind === "long" ? "field all" : "field"}>
      <span>{t(word)}</span>
      {of ? (
        <select {...shared} onChange={change}>
          {of.map(([one, label]) => (
            <option key={one} value={one}>
              {label}
            </option>
          ))}
        </select>
      ) : kind === "long" ? (
        <textarea {...shared} rows={3} placeholder={placeholder} onInput={change} />
      ) : (
        <input
          {...shared}
          {...(kind === "secret" ? { type: "password" as const, autocomplete: "new-password" } : { type: "text" as const, autocomplete: "off" })}
          placeholder={placeholder}
          {...(kind === "number" && { inputMode: "numeric", pattern: "\\d*" })}
          onInput={change}
        />
      )}
      {note && <small id={id}>{t(note)}</small>}
    </label>
  );
}
