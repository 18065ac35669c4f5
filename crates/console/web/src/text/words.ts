// Every word of the console, in English and in Chinese side by side. A word with a dot before its end is said of a
// word of the administration, such as `role.viewer`.

import { cost } from "./words/cost.ts";
import { frame } from "./words/frame.ts";
import { health } from "./words/health.ts";
import { keys } from "./words/keys.ts";
import { overview } from "./words/overview.ts";
import { people } from "./words/people.ts";
import { prices } from "./words/prices.ts";
import { quotas } from "./words/quotas.ts";
import { requests } from "./words/requests.ts";
import { routing } from "./words/routing.ts";
import { system } from "./words/system.ts";
import { traffic } from "./words/traffic.ts";
import { tries } from "./words/try.ts";
import { watch } from "./words/watch.ts";

/** English, Chinese. */
export type Words = Record<string, readonly [string, string]>;

export const words = { ...frame, ...overview, ...traffic, ...requests, ...health, ...cost, ...keys, ...people, ...quotas, ...prices, ...routing, ...system, ...tries, ...watch };
