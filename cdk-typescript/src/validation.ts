/** Faults of properties, in the service's own sentences. */
import { readFileSync } from "node:fs";
import * as path from "node:path";

import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { Token } from "aws-cdk-lib";

import { PROPERTIES, WORDS } from "./generated";

const SCHEMA = path.join(__dirname, "..", "schema", "ecr-image-waiter.json");
const COUNTS = ["minItems", "maxItems", "minProperties", "maxProperties"];
const LONGEST = 60;
const PROPS = Object.entries({ ...PROPERTIES, serviceToken: "ServiceToken" });

type Schema = Readonly<Record<string, { readonly errorMessage?: string } | undefined>>;

let validate: ValidateFunction | undefined;

/** Returns every fault of the properties that can be seen before the deployment: values that are tokens have none. */
export function faultsOf(properties: Readonly<Record<string, unknown>>): string[] {
  validate ??= new Ajv({ allErrors: true, verbose: true, strict: false }).compile(
    JSON.parse(readFileSync(SCHEMA, "utf8")) as object,
  );
  validate(properties);
  const told = (validate.errors ?? []).map(faultOf).filter((fault) => fault !== undefined);
  return [...new Set([...told, ...idsTwice(properties["Images"])])];
}

/** Shows a value shortly, as the service does. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  if (typeof value !== "string") return String(value);
  const text = value.length <= LONGEST ? value : `${value.slice(0, LONGEST - 3)}...`;
  return `"${text.replace(/\p{C}/gu, (hidden) => JSON.stringify(hidden).slice(1, -1))}"`;
}

/** Returns whether this is CloudFormation's name of a property, which is no prop. */
export function isProperty(name: string): boolean {
  return PROPS.some(([, property]) => property === name);
}

/** Returns a fault for each prop that is spelled as CloudFormation spells the property. */
export function faultsOfSpelling(props: object, before = ""): string[] {
  const spelled = Object.entries(props).filter(([name, value]) => value !== undefined && isProperty(name));
  return spelled.map(([name, value]) => before + unknownProp(name, value, PROPS));
}

/** Returns the fault of an unknown prop. `known`: the props that there are, each with its name in CloudFormation. */
export function unknownProp(name: string, value: unknown, known: readonly (readonly [string, string])[]): string {
  const score = (names: readonly string[]) => Math.max(...names.map((each) => likeness(each, name)));
  const [meant] = known.reduce((best, each) => (score(each) > score(best) ? each : best));
  return `${name}: ${put(WORDS.unknown, { received: shown(value), meant })}`;
}

/** Returns the share of the pairs of letters that two names have in common. */
function likeness(one: string, other: string): number {
  const pairsOf = (name: string) => Array.from(name, (_, at) => name.slice(at, at + 2).toLowerCase());
  const [pairs, others] = [pairsOf(one), pairsOf(other)];
  return pairs.filter((pair) => others.includes(pair)).length / (pairs.length + others.length);
}

function faultOf(error: ErrorObject): string | undefined {
  const steps = error.schemaPath.split("/");
  const at = error.instancePath.split("/").slice(1).map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  const inside = at[0] === "Images" && at.length > 1;
  const before = inside ? `Images[${String(at[1])}].` : "";
  const [name = "", ...label] = inside ? at.slice(2) : at;
  switch (error.keyword) {
    case "if":
    case "propertyNames": // the faults in it are told one by one
      return undefined;
    case "additionalProperties": {
      const unknown = (error.params as { additionalProperty: string }).additionalProperty;
      const value = (error.data as Record<string, unknown>)[unknown];
      if (inside && isProperty(unknown)) {
        return `${before}${unknown}: ${put(WORDS.ofAll, { received: shown(value) })}`;
      }
      const known = (error.parentSchema as { properties: Schema }).properties;
      return before + unknownProp(unknown, value, PROPS.filter(([, property]) => property in known));
    }
    case "anyOf": {
      const { StartBuild: received } = error.data as { StartBuild: unknown };
      return `StartBuild: ${put(WORDS.StartBuild, { received: shown(received) })}`;
    }
    case "required": {
      if (steps.includes("anyOf")) return undefined;
      const missing = (error.params as { missingProperty: string }).missingProperty;
      return `${before}${missing}: ${word(WORDS.missing, inside ? `Images.${missing}` : missing)}`;
    }
    case "false schema":
      return `${before}${name}: ${put(word(WORDS.beside, steps.at(-4) ?? ""), { received: shown(error.data) })}`;
    default:
      if (Token.isUnresolved(error.data)) return undefined;
      if (steps.includes("DeployTarget") && name !== "DeployTarget") {
        const host = String(error.data).split("/")[0] ?? "";
        const received = shown(name === "ImageUri" ? host : error.data);
        const usual = shown(host.replace("ecr-fips.", "ecr."));
        return `${before}${name}: ${put(word(WORDS.Lambda, name), { received, usual })}`;
      }
      return `${before}${valueFault(error, name, error.propertyName ?? label[0])}`;
  }
}

function valueFault(error: ErrorObject, name: string, label: string | undefined): string {
  const data: unknown = error.data;
  const where = name + (label === undefined ? "" : `[${shown(label)}]`);
  const counted = COUNTS.includes(error.keyword) ? ` of ${String(Object.keys(data as object).length)}` : "";
  const allowed = (propertyOf(error, name).errorMessage ?? "").replace("Allowed: ", "");
  const hint = data === "" && label === undefined ? WORDS.empty : "";
  return `${where}: ${put(WORDS.value, { received: shown(data), count: counted, allowed })}${hint}`;
}

/** Returns the schema of the property that an error is about; of a label it is the one of all labels. */
function propertyOf(error: ErrorObject, name: string): { readonly errorMessage?: string } {
  const root = (validate?.schema as { properties: Schema & { Images: { items: { properties: Schema } } } }).properties;
  return (error.instancePath.startsWith("/Images/") ? root.Images.items.properties : root)[name] ?? {};
}

/** What no schema can say. */
function idsTwice(images: unknown): string[] {
  const ids = Array.isArray(images) ? images.map((image: { Id?: unknown }) => image.Id) : [];
  const twice = new Set(ids.filter((id, index) => id !== undefined && ids.indexOf(id) !== index));
  return [...twice].map((id) => `Images: ${put(WORDS.twice, { received: shown(id) })}`);
}

function word(words: Readonly<Record<string, string>>, name: string): string {
  return words[name] ?? name;
}

function put(sentence: string, values: Readonly<Record<string, string>>): string {
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}
