// What looked wrong, and who did what.

import type { Words } from "../words.ts";

export const watch = {
  anomalies: ["Anomalies", "异常"],
  "anomaly.open": ["Open", "待查看"],
  "anomaly.acknowledged": ["Looked at", "已查看"],
  "anomaly.no_open": ["Nothing unusual that nobody has looked at.", "没有待查看的异常。"],
  "anomaly.no_acknowledged": ["Nothing has been looked at yet.", "还没有查看过任何异常。"],
  "anomaly.acknowledge": ["I have looked at it", "我已查看"],
  "anomaly.by": ["{who}, {when}", "{who}，{when}"],
  "anomaly.times": ["{n}×", "{n} 次"],
  "anomaly_kind.auth_failures": ["Many bad keys from one address", "同一地址出示大量坏密钥"],
  "anomaly_kind.new_address": ["A key used from a new address", "密钥从新地址使用"],
  "anomaly_kind.credential_refused": ["A provider refuses a credential", "供应商拒绝凭据"],

  audit: ["Audit trail", "审计记录"],
  "audit.note": ["Newest first; every row is chained to the one before by its hash", "最新在前；每行都以哈希与上一行相连"],
  "audit.empty": ["Nothing was done in this time.", "这段时间内没有操作。"],
  "audit.actor": ["Who", "操作者"],
  "audit.action": ["Action", "操作"],
  "audit.action_hint": ["Action, such as key.", "操作，例如 key."],
  "audit.target": ["What", "对象"],
  "audit.outcome": ["Outcome", "结果"],
  "audit.address": ["From", "来源"],
  "audit.detail": ["Detail", "详情"],
  "audit.before": ["Before", "之前"],
  "audit.after": ["After", "之后"],
  "audit.hash": ["Hash", "哈希"],
  "actor.system": ["The gateway", "网关"],
  "actor.cli": ["The command line", "命令行"],
  "actor.key": ["Key {name}", "密钥 {name}"],
  "actor.unknown": ["Unknown", "未知"],
  "outcome.all": ["All", "全部"],
  "outcome.ok": ["Done", "完成"],
  "outcome.denied": ["Denied", "被拒绝"],
  "outcome.failed": ["Failed", "失败"],
} as const satisfies Words;
