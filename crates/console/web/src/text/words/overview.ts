// The overview, and the words of what is counted.

import type { Words } from "../words.ts";

export const overview = {
  begin: ["Before the first call", "开始之前"],
  "begin.note": ["What a new gateway needs; this goes away once it is there", "新网关所需的步骤；完成后此卡片自动消失"],
  "begin.provider": ["Add a provider with its key", "添加供应商及其密钥"],
  "begin.route": ["Offer one of its models under a name", "以一个名称提供其模型"],
  "begin.key": ["Make a key for an application", "为应用创建密钥"],
  "begin.call": ["Point a client at the gateway", "让客户端连接网关"],
  live: ["Live", "实时"],
  "live.paused": ["Paused", "已暂停"],
  "live.rate": ["Requests a second", "每秒请求数"],
  "live.under_way": ["Under way", "进行中"],
  "live.failed": ["Failed attempts, last minute", "最近一分钟失败的尝试"],
  "live.pause": ["Pause", "暂停"],
  "live.resume": ["Resume", "继续"],

  requests: ["Requests", "请求"],
  tokens: ["Tokens", "令牌"],
  "tokens.prompt": ["Prompt", "提示"],
  "tokens.completion": ["Answer", "回答"],

  error_share: ["Error share", "错误率"],
  latency: ["Latency", "延迟"],
  first_token: ["First token", "首个令牌"],
  against: ["{change} against the period before", "较上一周期 {change}"],
  "against.nothing": ["nothing in the period before", "上一周期没有数据"],
  points: ["{n} points", "{n} 个百分点"],
  "status.ok": ["Answered", "已回答"],
  "status.client": ["Client errors (4xx)", "客户端错误 (4xx)"],
  "status.server": ["Server errors (5xx)", "服务端错误 (5xx)"],
  "overview.empty": ["Nothing was asked in this time. Requests appear here within a few seconds.", "这段时间内没有请求。新的请求会在几秒内出现在这里。"],
  "overview.requests_note": ["By the status the client was given", "按返回给客户端的状态"],
  "overview.requests_chart": ["Requests over time, by how they ended", "请求随时间的变化，按结果区分"],
  "overview.tokens_chart": ["Tokens over time, of prompts and of answers", "令牌随时间的变化，按提示和回答区分"],
  "overview.cost_note": ["What was charged; the exact amount under the pointer", "实际计费；精确金额见悬停提示"],
  "overview.cost_chart": ["Cost over time", "成本随时间的变化"],
  "overview.latency_chart": ["Latency quantiles over time", "延迟分位数随时间的变化"],

  "operation.chat.completions": ["chat completions", "对话"],
  "operation.embeddings": ["embeddings", "向量"],
} as const satisfies Words;
