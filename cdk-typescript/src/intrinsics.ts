/** A template for given parameters, without the conditions that they decide. */
export type Template = Readonly<Record<"Parameters" | "Conditions" | "Resources", Readonly<Record<string, Part>>>>;
/** Any part of a template. */
export type Part = undefined | string | number | boolean | Part[] | { [key: string]: Part };

const NO_VALUE = { Ref: "AWS::NoValue" };

/** Returns a template with its parameters put in. What only a deployment can decide stays, conditions included. */
export function settled(template: Template, given: Readonly<Record<string, Part>>): Template {
  const values: Record<string, Part> = {};
  for (const [name, parameter] of Object.entries(template.Parameters)) values[name] = entries(parameter)["Default"];
  const settling = new Settling(template.Conditions, { ...values, ...given });
  const conditions: Record<string, Part> = {};
  for (const [name, condition] of Object.entries(template.Conditions)) {
    if (settling.holds(name) === undefined) conditions[name] = settling.leftOf(entries(condition));
  }
  const resources: Record<string, Part> = {};
  for (const [name, resource] of Object.entries(template.Resources)) {
    const { Condition: condition, ...rest } = entries(resource);
    const held = condition === undefined ? true : settling.holds(condition);
    const left = settling.value(rest) as Record<string, Part>;
    if (held !== false) resources[name] = held === undefined ? { ...left, Condition: condition } : left;
  }
  return { Parameters: {}, Conditions: conditions, Resources: resources };
}

class Settling {
  constructor(
    private readonly conditions: Readonly<Record<string, Part>>,
    private readonly given: Readonly<Record<string, Part>>,
  ) {}

  /** Says whether a condition holds, by its name or as it is written; undefined where only a deployment knows. */
  holds(condition: Part): boolean | undefined {
    if (typeof condition === "string") return this.holds(this.conditions[condition]);
    const [kind, parts] = only(condition);
    if (kind === "Condition") return this.holds(parts);
    const operands = parts as Part[];
    if (kind === "Fn::Equals") {
      const [left, right] = operands.map((each) => this.value(each));
      return typeof left === "object" || typeof right === "object" ? undefined : left === right;
    }
    const held = operands.map((each) => this.holds(each));
    if (kind === "Fn::Not") return held[0] === undefined ? undefined : !held[0];
    if (kind === "Fn::And") return held.includes(false) ? false : held.includes(undefined) ? undefined : true;
    throw new Error(`not a condition that is known here: ${JSON.stringify(condition)}`);
  }

  /** Returns a condition that only a deployment can decide, without the parts that the parameters decide. */
  leftOf(condition: Record<string, Part>): Record<string, Part> {
    const [kind, parts] = only(condition);
    if (kind === "Fn::Not") return { [kind]: (parts as Part[]).map((each) => this.leftOf(entries(each))) };
    if (kind !== "Fn::And") return condition;
    const open = (parts as Part[]).filter((each) => this.holds(each) === undefined);
    const left = open.map((each) => this.leftOf(entries(each)));
    return left.length === 1 && left[0] !== undefined ? left[0] : { [kind]: left };
  }

  /** Returns a part of the template with the parameters in it, undefined for AWS::NoValue. */
  value(part: Part): Part {
    if (Array.isArray(part)) return part.map((each) => this.value(each)).filter((each) => each !== undefined);
    if (typeof part !== "object") return part;
    const [kind, inner] = only(part);
    const parts = inner as Part[];
    switch (Object.keys(part).length === 1 ? kind : "") {
      case "Ref":
        if (inner === NO_VALUE.Ref) return undefined;
        return typeof inner === "string" && inner in this.given ? this.given[inner] : part;
      case "Fn::If": {
        const [then, otherwise] = parts.slice(1).map((each) => this.value(each));
        const held = this.holds(parts[0]);
        if (held === undefined) return { "Fn::If": [parts[0], then ?? NO_VALUE, otherwise ?? NO_VALUE] };
        return held ? then : otherwise;
      }
      case "Fn::Join":
        return joined(parts[0] as string, this.value(parts[1]));
      case "Fn::Split": {
        const whole = this.value(parts[1]);
        return typeof whole === "string" ? whole.split(parts[0] as string) : { "Fn::Split": [parts[0], whole] };
      }
      case "Fn::Select": {
        const list = this.value(parts[1]);
        return Array.isArray(list) ? list[parts[0] as number] : { "Fn::Select": [parts[0], list] };
      }
      case "Fn::Sub":
        if (Array.isArray(inner)) {
          // Put in by name: a value that only the deployment knows is no text here.
          const text = parts[0] as string;
          const named = Object.entries(this.given).filter(([name]) => text.includes(`\${${name}}`));
          return { "Fn::Sub": [text, { ...Object.fromEntries(named), ...entries(this.value(parts[1])) }] };
        }
    }
    const values = Object.entries(part).map(([name, each]) => [name, this.value(each)] as const);
    return Object.fromEntries(values.filter(([, each]) => each !== undefined));
  }
}

function joined(separator: string, parts: Part): Part {
  if (!Array.isArray(parts)) return typeof parts === "string" ? parts : { "Fn::Join": [separator, parts] };
  // A number of a parameter is text to CloudFormation, and Fn::Join takes nothing else.
  const texts = parts.map((part) => (typeof part === "number" ? String(part) : part));
  return texts.every((part) => typeof part === "string") ? texts.join(separator) : { "Fn::Join": [separator, texts] };
}

function entries(part: Part): Record<string, Part> {
  return part as Record<string, Part>;
}

function only(part: Part): [string, Part] {
  return Object.entries(entries(part))[0] ?? ["", undefined];
}
