// The heat map of traffic.

import type { Words } from "../words.ts";

export const traffic = {
  traffic: ["Live traffic", "实时流量"],
  "traffic.by": ["A line for each", "每行"],
  "traffic.measure": ["Colour by", "颜色表示"],
  "traffic.note": ["A cell leads to its requests; the arrow keys walk through cells", "点击格子查看其请求；方向键在格子间移动"],
  "traffic.first": ["The {n} with the most requests of {all}; a cell leads to its requests", "共 {all} 项，显示请求最多的 {n} 项；点击格子查看其请求"],
  "traffic.label": ["{measure} by time and {by}", "按时间和{by}显示{measure}"],
  "traffic.per_minute": ["{n}/min", "{n}/分"],
  "traffic.no_region": ["(no region)", "（无区域）"],
  "measure.rate": ["Requests", "请求"],
  "measure.errors": ["Errors", "错误"],
  "measure.latency": ["Latency p95", "延迟 p95"],
  "measure.cost": ["Cost", "成本"],
  "by.region": ["Region", "区域"],
  "by.latency": ["Latency", "延迟"],
  "log.took": ["Took at least, ms", "耗时不少于（毫秒）"],
  "log.below": ["Took less than, ms", "耗时少于（毫秒）"],
} as const satisfies Words;
