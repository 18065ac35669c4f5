// What the administration answers, as far as the console shows it; `/admin/v1/openapi.json` describes all of it.
// Times are Unix seconds. Members that end with `nano_usd` are amounts as digits (see `json.ts`).

export type Role = "viewer" | "auditor" | "team_admin" | "platform_admin";

export interface User {
  id: string;
  email: string;
  name: string;
  role: Role;
  team_id: string | null;
  is_active: boolean;
  has_password: boolean;
  oidc_issuer: string | null;
  last_login_at: number | null;
  version: number;
}

export interface Session {
  user: User;
  csrf_token: string;
  expires_at: number;
}

export interface Quantiles {
  p50_ms: number;
  p95_ms: number;
  p99_ms: number;
}

export interface UsageRow {
  at: number;
  of: string | null;
  and_of: string | null;
  requests: number;
  attempts: number;
  failed: number;
  repeated: number;
  unpriced: number;
  charged_nano_usd: string;
  absorbed_nano_usd: string;
  prompt_tokens: number;
  completion_tokens: number;
  latency: Quantiles | null;
  first_token: Quantiles | null;
}

export interface Usage {
  from: number;
  until: number;
  rows: UsageRow[];
}

export type UsageBy = "team" | "key" | "user" | "alias" | "provider" | "model" | "operation" | "status" | "tag" | "region" | "latency";

export interface Spread {
  p50: number | null;
  p90: number | null;
  p95: number | null;
  p99: number | null;
}

export interface Span {
  requests: number;
  answered: number;
  failed: Record<string, number>;
  latency_ms: Spread;
  first_token_ms: Spread;
  tokens_per_second: number;
}

export type Breaker = "closed" | "open" | "half_open";

export interface Target {
  model_route_id: string;
  provider: string;
  real_name: string;
  region: string | null;
  breaker: Breaker;
  open_for_ms: number | null;
  resting_for_ms: number | null;
  learned: Record<"requests_limit" | "requests_remaining" | "tokens_limit" | "tokens_remaining", number | null> | null;
  in_flight: number;
  check: { ago_ms: number; latency_ms: number; fault: string | null } | null;
  first_token_ms: number;
  last_minute: Span;
  last_five_minutes: Span;
  last_hour: Span;
  last_day: Span;
}

export interface Health {
  retries_left: number;
  targets: Target[];
}

export interface Scope {
  models?: string[] | null;
  providers?: string[] | null;
  addresses?: string[] | null;
}

export interface Team {
  id: string;
  name: string;
  is_active: boolean;
  scope: Scope;
  shield: "off" | "flag" | "block";
  rate_limit: number | null;
  token_limit: number | null;
  max_concurrent: number | null;
  content_ttl_seconds: number | null;
  version: number;
}

export type KeyState = "active" | "disabled" | "expired" | "revoked" | "retired";

export interface Key {
  id: string;
  level: "admin" | "app" | "session";
  team_id: string | null;
  /** The key a session key was made from. */
  parent_id: string | null;
  name: string;
  role: Role | null;
  scope: Scope;
  form: "jwt" | "opaque";
  rate_limit: number | null;
  token_limit: number | null;
  max_concurrent: number | null;
  is_disabled: boolean;
  state: KeyState;
  expires_soon: boolean;
  last_four: string;
  replaced_by: string | null;
  created_by: string;
  version: number;
  created_at: number;
  expires_at: number | null;
  retires_at: number | null;
  last_used_at: number | null;
}

export interface MintedKey extends Key {
  key: string;
}

export interface Provider {
  id: string;
  name: string;
  kind: string;
  endpoint: string;
  options: Record<string, string>;
  weight: number;
  rate_limit: number | null;
  token_limit: number | null;
  max_concurrent: number | null;
  allow_private_network: boolean;
  is_active: boolean;
  version: number;
}

export interface Verdict {
  ok: boolean;
  status: number | null;
  latency_ms: number;
  model_count: number | null;
  models: string[];
  fault: { class: string; message: string; said: string | null } | null;
}

export interface Anomaly {
  id: string;
  at: number;
  kind: string;
  team_id: string | null;
  key_id: string | null;
  address: string | null;
  evidence: unknown;
  count: number;
  acknowledged_at: number | null;
  acknowledged_by: string | null;
}

export interface AuditRow {
  seq: number;
  at: number;
  actor_kind: string;
  actor_id: string | null;
  actor_name: string;
  action: string;
  target_kind: string | null;
  target_id: string | null;
  before: unknown;
  after: unknown;
  address: string | null;
  outcome: "ok" | "denied" | "failed";
  detail: string | null;
  hash: string;
}

export interface ProviderKind {
  kind: string;
  name: string;
  base_url: string;
  is_local: boolean;
  options: { name: string; required: boolean; pattern: string; meaning: string }[];
}

export interface Credential {
  id: string;
  name: string;
  last_four: string | null;
  weight: number;
  rate_limit: number | null;
  is_active: boolean;
  version: number;
  created_at: number;
}

/** How a credential fares, on the node that answers. */
export interface Condition {
  credential_id: string;
  state: "good" | "out" | "resting";
  reason: string | null;
  since: number | null;
  probe_at: number | null;
  rests: { model: string; until: number }[];
}

export interface Route {
  id: string;
  alias: string;
  provider_id: string;
  real_name: string;
  weight: number | null;
  tier: number;
  cost_multiplier: string;
  rate_limit: number | null;
  token_limit: number | null;
  max_concurrent: number | null;
  region_weights: Record<string, number>;
  is_active: boolean;
  version: number;
}

export interface Rule {
  id: string;
  alias: string;
  team_id: string | null;
  stands_for: string | null;
  policy: string;
  affinity: boolean;
  fallbacks: Record<string, string[]>;
  cache_ttl_s: number | null;
  hedge_percent: number | null;
  continue: boolean;
  version: number;
}

export interface Candidate {
  model_route_id: string;
  provider: string;
  real_name: string;
  region: string | null;
  tier: number;
  weight: number;
  against: string | null;
  breaker: Breaker;
  score: number | null;
  in_flight: number;
  cost_nano_usd: string | null;
  requests_left: number | null;
  tokens_left: number | null;
}

export interface Explanation {
  alias: string;
  policy: string;
  chosen: number | null;
  is_forced: boolean;
  because: string | null;
  candidates: Candidate[];
}
