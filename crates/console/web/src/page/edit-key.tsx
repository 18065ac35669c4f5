// Changing a key: its name, what it may reach and how much at once. Its secret stays.

import type { JSX } from "preact";
import { patch } from "../api/http.ts";
import { scopeFields, withScope } from "../api/scope.ts";
import type { Key } from "../api/types.ts";
import { Form, type Field, type Values } from "../part/form.tsx";
import { changed } from "../state/query.ts";
import { t } from "../text/text.ts";

const FIELDS: readonly Field[] = [
  { name: "name", word: "name", isRequired: true },
  { name: "models", word: "scope.models", kind: "list", placeholder: "nexus-*, gpt-4o", note: "scope.note" },
  { name: "providers", word: "scope.providers", kind: "list" },
  { name: "addresses", word: "scope.addresses", kind: "list", placeholder: "192.0.2.0/24" },
  { name: "rate_limit", word: "limit.requests", kind: "number" },
  { name: "token_limit", word: "limit.tokens", kind: "number" },
  { name: "max_concurrent", word: "limit.concurrent", kind: "number" },
];

/** Only application keys call models. */
const OF_CALLS = new Set(["models", "providers", "rate_limit", "token_limit", "max_concurrent"]);

export function EditKey({ of, close }: { of: Key; close: () => void }): JSX.Element {
  const { name, scope, rate_limit, token_limit, max_concurrent } = of;
  const fields = of.level === "app" ? FIELDS : FIELDS.filter((field) => !OF_CALLS.has(field.name));
  const from: Values = { name, ...scopeFields(scope), rate_limit, token_limit, max_concurrent };
  const send = async (values: Values): Promise<void> => {
    await patch(`/keys/${of.id}`, of.version, withScope(values, scope));
    changed();
  };
  return <Form title={name || t("key.unnamed")} fields={fields} from={from} action={t("save")} isChange send={send} close={close} />;
}
