// Who is signed in. A session lives in a cookie no script can read; an admin key lives in this page's memory only.

import { signal } from "@preact/signals";
import { ask, type Me } from "../api/gateway.ts";
import { get, onTurnedAway, post, Problem, prove, remove } from "../api/http.ts";
import type { Session, User } from "../api/types.ts";
import { takeOwnKey } from "./own-key.ts";

/** `undefined`: not known yet. */
export type Who = undefined | { kind: "nobody" } | { kind: "user"; user: User } | { kind: "key" } | { kind: "holder"; name: string };

export const who = signal<Who>(undefined);

onTurnedAway(() => {
  prove(undefined);
  takeOwnKey("");
  takeOwnKey("");
  who.value = { kind: "nobody" };
});

function entered(session: Session): void {
  prove({ csrf: session.csrf_token });
  who.value = { kind: "user", user: session.user };
}

/** Finds out whether the browser has a session still. */
export async function recall(): Promise<void> {
  try {
    entered(await get<Session>("/session"));
  } catch {
    who.value = { kind: "nobody" };
  }
}

/** Whether somebody is of the platform; of a key nobody knows, and the administration says. */
export function isOfPlatform(): boolean {
  return who.value?.kind !== "user" || who.value.user.team_id === null;
}

/** Whether somebody may read the audit trail. */
export function mayAudit(): boolean {
  return who.value?.kind !== "user" || who.value.user.role !== "viewer";
}

/** Whether somebody manages a team or more; of a key nobody knows. */
export function mayManage(): boolean {
  return who.value?.kind !== "user" || who.value.user.role === "team_admin" || who.value.user.role === "platform_admin";
}

/** Whether somebody manages the platform. */
export function mayPlatform(): boolean {
  return who.value?.kind !== "user" || who.value.user.role === "platform_admin";
}

export async function signIn(email: string, password: string): Promise<void> {
  entered(await post<Session>("/session", { email, password }));
}

/** An admin key has no session: it is known by being told so, and not by being refused. */
export async function signInWithKey(key: string): Promise<void> {
  prove({ key });
  try {
    await get("/session");
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 404) {
      prove(undefined);
      throw error;
    }
  }
  who.value = { kind: "key" };
}

/** The holder of an application key sees what is the key's own. */
export async function signInAsHolder(key: string): Promise<void> {
  const me = await ask<Me>("/me", key);
  takeOwnKey(key);
  who.value = { kind: "holder", name: me.name ?? `…${key.slice(-4)}` };
}

export async function signOut(): Promise<void> {
  if (who.value?.kind === "user") await remove("/session");
  prove(undefined);
  takeOwnKey("");
  who.value = { kind: "nobody" };
}
