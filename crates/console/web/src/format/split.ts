// How requests are split among the targets of an alias, as the gateway weighs them.

import type { Route } from "../api/types.ts";

export interface Share {
  route: Route;
  /** Of all requests, while everybody is well; 0 where others go before it. */
  share: number;
}

/** What a route weighs: its own weight, or its provider's. */
export function weightOf(route: Route, providerWeights: ReadonlyMap<string, number>): number {
  return route.weight ?? providerWeights.get(route.provider_id) ?? 0;
}

/** Those of the lowest tier that weigh anything share all requests; of weight 0, and of higher tiers, are the others. */
export function split(routes: readonly Route[], weigh: (route: Route) => number): Share[] {
  const active = routes.filter((route) => route.is_active);
  const tiers = [...new Set(active.map((route) => route.tier))].sort((a, b) => a - b);
  const tier = tiers.find((one) => active.some((route) => route.tier === one && weigh(route) > 0)) ?? tiers[0];
  const first = active.filter((route) => route.tier === tier);
  const whole = first.reduce((sum, route) => sum + weigh(route), 0);
  return routes.map((route) => ({ route, share: whole > 0 && first.includes(route) ? weigh(route) / whole : 0 }));
}
