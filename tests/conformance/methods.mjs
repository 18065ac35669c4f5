// Every method of OpenAI's SDK for Node that asks for an operation of the specification, called at the server itself and
// through the gateway: what it returns, or throws, must be the same.
//
// What a method asks for stands in its source, so that the list is the SDK's own; what it is called with is made from the
// specification.

import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import OpenAI, { toFile } from "openai";
import { parse } from "yaml";

const { SPEC, DIRECT, THROUGH, KEY, ADMIN_KEY } = process.env;
const DEPTH_MAX = 12;
const document = parse(readFileSync(SPEC, "utf8"), { maxAliasCount: -1 });

const resolved = (schema) =>
  schema?.$ref ? resolved(schema.$ref.slice(2).split("/").reduce((at, name) => at[name], document)) : schema ?? {};

/** A value as a schema describes it: with what it must have, or with everything it may. */
async function value(schema, all, depth = 0) {
  schema = resolved(schema);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return value(several.find((one) => resolved(one).type !== "null") ?? several[0], all, depth + 1);
  if (schema.allOf || schema.properties) return object(schema, all, depth);
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  switch (type) {
    case "string":
      if (schema.format === "binary") return toFile(Buffer.from("RIFF"), "a.bin");
      return schema.format === "uri" ? "https://example.com/a" : "thing_1";
    case "integer":
    case "number":
      return Math.max(schema.minimum ?? 1, 1);
    case "boolean":
      return false;
    case "array":
      return depth < DEPTH_MAX ? [await value(schema.items, all, depth + 1)] : [];
    case "null":
      return null;
    default:
      return {};
  }
}

async function object(schema, all, depth) {
  const members = {};
  for (const part of schema.allOf ?? []) Object.assign(members, await value(part, all, depth + 1));
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    const isWanted = schema.required?.includes(name) || (all && depth < DEPTH_MAX / 2);
    if (isWanted && depth < DEPTH_MAX) members[name] = await value(inner, all, depth + 1);
  }
  return members;
}

/** The operation behind a method and a path whose places are unnamed. */
function operation(method, path) {
  const plain = (path) => path.replace(/\{[^}]*\}/g, "{}");
  const found = Object.keys(document.paths).find((known) => plain(known) === path && document.paths[known][method]);
  return found && document.paths[found][method];
}

/** What a method of the SDK asks for; nothing where it calls others only. */
function asks(source) {
  const call = /this\._client\s*\.(get|post|delete|getAPIList)\(\s*(?:\(0, path_1\.path\)\s*|path\s*)?(['`])(\/[^'`]*)\2/.exec(source);
  if (!call) return undefined;
  const method = call[1] === "getAPIList" ? (/method: 'post'/.test(source) ? "post" : "get") : call[1];
  return { method, template: call[3], path: call[3].replace(/\$\{[^}]*\}/g, "{}").split("?")[0] };
}

/** The methods below a resource, by their names. */
function* methods(resource, names, seen = new Set()) {
  if (seen.has(resource)) return;
  seen.add(resource);
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(resource))) {
    const method = resource[name];
    const asked = name !== "constructor" && typeof method === "function" && asks(method.toString());
    if (asked) yield { name: [...names, name].join("."), names: [...names, name], source: method.toString(), ...asked };
  }
  for (const [name, inner] of Object.entries(resource)) {
    if (inner && typeof inner === "object" && "_client" in inner) yield* methods(inner, [...names, name], seen);
  }
}

/** The arguments for a method: ids where its path has places, and an object of the rest. */
async function args({ source, template }, described, all) {
  const places = [...template.matchAll(/\$\{(?:encodeURIComponent\()?(\w+)\)?\}/g)].map((match) => match[1]);
  const parameters = source.slice(source.indexOf("(") + 1).split(/\)\s*\{/)[0].split(",");
  const names = parameters.map((parameter) => parameter.split("=")[0].trim()).filter((name) => name && name !== "options");
  const rest = {};
  for (const parameter of described.parameters ?? []) {
    const { in: where, name, required, schema } = resolved(parameter);
    if (where === "query" && (all || required)) rest[name.replace(/\[\]$/, "")] = await value(schema, all);
  }
  const content = resolved(described.requestBody).content ?? {};
  const body = content["multipart/form-data"] ?? content["application/json"];
  if (body) Object.assign(rest, await value(body.schema, all));
  for (const place of places.filter((place) => !names.includes(place))) rest[place] = "thing_1";
  return names.map((name) => (places.includes(name) ? "thing_1" : rest));
}

/** What a call comes to, in a form that can be compared. */
async function outcome(client, names, given) {
  const owner = names.slice(0, -1).reduce((at, name) => at[name], client);
  try {
    const answer = await owner[names.at(-1)](...given);
    if (answer instanceof Response) {
      return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()).toString("base64") };
    }
    return { answer: JSON.parse(JSON.stringify(answer?.body ?? answer ?? null)) };
  } catch (error) {
    return { error: error.status ?? error.message, said: error.error };
  }
}

/** What the gateway answers from its own knowledge, whoever else could be asked. */
const isOwn = ({ path }) => /^\/models(\/\{\})?$|^\/organization\/(usage\/|costs$)/.test(path);

/** The same outcome, under the model that was asked for: that is how the gateway calls it. */
function named(outcome, given) {
  const asked = given.find((one) => typeof one?.model === "string")?.model;
  const isNamed = asked !== undefined && typeof outcome.answer?.model === "string";
  return isNamed ? { answer: { ...outcome.answer, model: asked } } : outcome;
}

const open = (baseURL, apiKey, adminAPIKey) => new OpenAI({ baseURL, apiKey, adminAPIKey, maxRetries: 0 });
const direct = open(DIRECT, "any", "any");
const through = open(THROUGH, KEY, KEY);
const administering = open(THROUGH, KEY, ADMIN_KEY);
const counts = { methods: 0, calls: 0, good: 0, different: 0 };
for (const method of methods(direct, [])) {
  const described = operation(method.method, method.path);
  if (!described || (isOwn(method) && method.method === "get")) continue;
  counts.methods += 1;
  for (const all of [false, true]) {
    const given = await args(method, described, all);
    const client = /^\/(organization|projects)\//.test(method.path) ? administering : through;
    const [before, behind] = [await outcome(direct, method.names, given), await outcome(client, method.names, given)];
    counts.calls += 1;
    counts.good += "error" in before ? 0 : 1;
    if ("error" in before || isDeepStrictEqual(named(before, given), behind)) continue;
    counts.different += 1;
    console.log(`${method.name} (${method.method} ${method.path}), ${all ? "all" : "required"} members`);
    console.log(`    ${JSON.stringify(before)?.slice(0, 400)}\n    ${JSON.stringify(behind)?.slice(0, 400)}`);
  }
}
console.log(
  `${counts.methods} methods of the SDK for Node, called ${counts.calls} times; ${counts.good} calls are answered ` +
    `directly, and ${counts.different} of these otherwise through the gateway`,
);
process.exitCode = counts.methods > 0 && counts.different === 0 ? 0 : 1;
