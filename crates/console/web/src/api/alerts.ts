// Alerts and the webhooks they are sent to, as the administration tells them.

export interface Alert {
  id: string;
  at: number;
  kind: string;
  team_id: string | null;
  summary: string;
  evidence: unknown;
  acknowledged_at: number | null;
  acknowledged_by: string | null;
}

export interface Webhook {
  id: string;
  name: string;
  url: string;
  team_id: string | null;
  kinds: string[];
  allow_private_network: boolean;
  is_active: boolean;
  rotated_at: number | null;
  version: number;
}

/** A webhook that was made, or whose secret was replaced. */
export interface WithSecret extends Webhook {
  secret: string;
}

export interface Delivery {
  id: string;
  kind: string;
  state: "pending" | "delivered" | "failed";
  attempts: number;
  next_at: number | null;
  last_status: number | null;
  last_error: string | null;
  created_at: number;
}

export const KINDS = ["quota.threshold", "quota.forecast", "anomaly", "provider.down", "provider.up"] as const;
