// Users: who signs in at the console, and what each may.

import type { JSX } from "preact";
import type { User } from "../api/types.ts";
import { ago, dateTime } from "../format/number.ts";
import { Badge } from "../part/card.tsx";
import type { Field, Values } from "../part/form.tsx";
import { Things } from "../part/things.tsx";
import { nameOf, useNames, type Names } from "../state/names.ts";
import { isOfPlatform, mayManage, who } from "../state/session.ts";
import { t } from "../text/text.ts";

const ROLES = ["viewer", "auditor", "team_admin", "platform_admin"] as const;

function fields(names: Names, isNew: boolean): Field[] {
  const roles = isOfPlatform() ? ROLES : ROLES.slice(0, 3);
  const platform = isOfPlatform() ? [["", t("key.platform")] as const] : [];
  return [
    ...(isNew ? [{ name: "email", word: "email", isRequired: true } as const] : []),
    { name: "name", word: "name", isRequired: true },
    { name: "role", word: "user.role", of: roles.map((role) => [role, t(`role.${role}`)] as const) },
    { name: "team_id", word: "by.team", isNullable: true, of: [...platform, ...names.teams] },
    { name: "password", word: "password", kind: "secret", isNullable: true, note: isNew ? "user.password_new" : "user.password_note" },
    ...(isNew ? [] : [{ name: "is_active", word: "user.is_active", kind: "check" } as const]),
  ];
}

function valuesOf(user: User | undefined): Values {
  const own = who.value?.kind === "user" ? who.value.user.team_id : null;
  if (!user) return { email: "", name: "", role: "viewer", team_id: own, password: null };
  return { name: user.name, role: user.role, team_id: user.team_id, password: null, is_active: user.is_active };
}

export function Users(): JSX.Element {
  const names = useNames();
  const cells = (user: User): JSX.Element => (
    <>
      <td class="cell-name">
        {user.name || user.email}
        <p class="note">{user.email}</p>
      </td>
      <td>{t(`role.${user.role}`)}</td>
      <td class="cell-name">{user.team_id === null ? t("key.platform") : nameOf(names.teams, user.team_id)}</td>
      <td>
        <Badge tone={user.is_active ? "good" : "plain"}>{t(user.is_active ? "state.active" : "state.disabled")}</Badge>
      </td>
      <td class="cell-name">{[user.has_password && t("sign_in.password"), user.oidc_issuer].filter((way) => way).join(", ") || "–"}</td>
      <td title={user.last_login_at === null ? undefined : dateTime(user.last_login_at)}>{user.last_login_at === null ? t("key.never") : ago(user.last_login_at)}</td>
    </>
  );
  return (
    <Things<User>
      of={{
        path: "/users",
        title: t("users"),
        note: t("user.note"),
        empty: t("user.empty"),
        make: t("user.new"),
        deleteNote: t("user.delete_note"),
        head: [[t("name")], [t("user.role")], [t("by.team")], [t("state")], [t("user.way")], [t("user.last")]],
        cells,
        nameOf: (user) => user.email,
        fields: (user) => fields(names, user === undefined),
        valuesOf,
        may: mayManage(),
      }}
    />
  );
}
