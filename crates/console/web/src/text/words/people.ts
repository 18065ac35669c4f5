// Teams, users, and what they may reach.

import type { Words } from "../words.ts";

export const people = {
  teams: ["Teams", "团队"],
  "team.note": ["Everything belongs to a team; a name leads to what its keys cost", "一切都归属于团队；点击名称查看其密钥的成本"],
  "team.empty": ["There is no team yet.", "还没有团队。"],
  "team.new": ["New team", "新建团队"],
  "team.reach": ["May reach", "可访问"],
  "team.is_active": ["Its keys are accepted", "接受其密钥"],
  "team.shield": ["Requests that look like attacks", "疑似攻击的请求"],
  "team.content": ["Keep what is said, seconds", "保留对话内容（秒）"],
  "team.content_note": ["Empty: nothing is kept, and what was kept is erased.", "留空：不保留，并清除已保留的内容。"],
  "team.delete_note": ["Only a team that nothing belongs to can be deleted.", "只有不含任何内容的团队才能删除。"],
  "shield.off": ["pass", "放行"],
  "shield.flag": ["pass, and are flagged", "放行并标记"],
  "shield.block": ["are refused", "拒绝"],
  "scope.models": ["Models", "模型"],
  "scope.providers": ["Providers", "供应商"],
  "scope.addresses": ["Addresses", "地址"],
  "scope.note": ["With commas; empty: all of them.", "以逗号分隔；留空表示全部。"],
  "scope.all": ["Everything", "全部"],

  users: ["Users", "用户"],
  "user.note": ["Who signs in here, and what each may do", "谁可以登录，以及各自的权限"],
  "user.empty": ["There is no user yet.", "还没有用户。"],
  "user.new": ["New user", "新建用户"],
  "user.role": ["Role", "角色"],
  "user.way": ["Signs in with", "登录方式"],
  "user.last": ["Last signed in", "最近登录"],
  "user.is_active": ["May sign in", "允许登录"],
  "user.password_new": ["Empty: signs in through single sign-on only.", "留空：只能通过单点登录。"],
  "user.password_note": ["A new one signs the user out everywhere; empty leaves it as it is.", "设置新密码会使其在各处退出登录；留空则不变。"],
  "user.delete_note": ["The user is signed out and cannot come back.", "该用户会立即退出登录且无法再登录。"],
} as const satisfies Words;
