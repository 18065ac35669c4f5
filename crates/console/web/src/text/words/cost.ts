// What was charged, and what it is told apart by.

import type { Words } from "../words.ts";

export const cost = {
  cost: ["Cost", "成本"],

  "cost.by": ["Tell apart by", "区分方式"],
  "cost.total": ["Total", "合计"],
  "cost.table": ["Cost of each", "各项成本"],
  "cost.chart": ["Cost over time, stacked", "成本随时间的变化（堆叠）"],
  "cost.empty": ["Nothing was used in this time.", "这段时间内没有用量。"],
  "cost.none": ["(nobody in particular)", "（未归属）"],
  "cost.others": ["(all others)", "（其余）"],
  "cost.rest": ["{n} others", "其余 {n} 项"],
  "cost.remove": ["Remove the filter {name}", "移除筛选 {name}"],
  "cost.unpriced": ["Unpriced", "未定价"],
  "cost.absorbed": ["Absorbed", "自行承担"],
  "cost.share": ["Share", "占比"],
  "cost.charged": ["Charged", "计费"],
  "cost.export": ["Export CSV", "导出 CSV"],
  "cost.tags_note": ["Usage with several tags stands under each, so these do not add up to the total.", "带多个标签的用量会计入每个标签，因此各项之和不等于合计。"],
  "cost.treemap": ["What the cost is made of", "成本构成"],
  "cost.unpriced_note": ["{n} attempts have no price: what they cost nobody knows", "{n} 次尝试未定价，成本未知"],
  "budget.left": ["left", "剩余"],
  "budget.forecast": ["if it goes on so", "按此趋势"],
  "budget.chart": ["What is left of the budget, and what will be", "预算剩余与预测"],
  "budget.empty_at": ["If it goes on so, nothing is left from {when}", "按此趋势将于 {when} 用尽"],
  "budget.lasts": ["It lasts: {amount} by the end of its time, if it goes on so", "预算足够：按此趋势到期末约 {amount}"],
  "budget.early": ["Too early to tell whether it lasts", "时间尚短，无法预测"],
  "by.team": ["Team", "团队"],
  "by.key": ["Key", "密钥"],
  "by.alias": ["Alias", "别名"],
  "by.provider": ["Provider", "供应商"],
  "by.model": ["Model", "模型"],
  "by.operation": ["Operation", "操作"],
  "by.user": ["User", "用户"],
  "by.tag": ["Tag", "标签"],
} as const satisfies Words;
