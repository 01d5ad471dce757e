import { nameOf } from "./document.ts";
import type { Api, Referable, Schema } from "./document.ts";
import { html } from "./html.ts";
import type { Html, Insertable } from "./html.ts";
import { inline, markdown } from "./markdown.ts";
import type { LinkOf } from "./markdown.ts";

/** A named value: a property, a parameter or a header. */
export interface Field {
  readonly name: string;
  readonly required: boolean;
  /** Beside its type, such as the part of a request that it is in. */
  readonly place?: string;
  /** Takes precedence over the description of its schema. */
  readonly description?: string | undefined;
  readonly schema: Referable<Schema>;
}

/** Shows schemas of one document. */
export interface Fields {
  /** Links to schemas and operations. */
  readonly linkOf: LinkOf;
  /** The type of a value in few words, with a link to an object that has a name. */
  typeOf(schema: Referable<Schema>): Insertable;
  /** A list of fields, each with its type, its description and its limits. */
  list(fields: readonly Field[]): Html;
  /** The fields of an object, with those of the objects in it below them. */
  tree(schema: Referable<Schema>): Html;
  /** What a schema says about itself: its description, its limits and its fields. */
  definition(schema: Schema): Html;
}

export function createFields({ schemas, resolve, groups, operatorGroups }: Api): Fields {
  const operations = [...groups, ...operatorGroups].flatMap((group) => group.operations);
  const links = new Map([
    ...Object.keys(schemas).map((name) => [name, `#schema-${name}`] as const),
    ...operations.map(({ operationId }) => [operationId, `#${operationId}`] as const),
  ]);
  const linkOf: LinkOf = (name) => links.get(name);

  /** With the constraints that hold for requests. */
  function full(schema: Referable<Schema>): Schema {
    const { "x-constraints": constraints, ...rest } = resolve(schema);
    return { ...rest, ...constraints };
  }

  function typeOf(schema: Referable<Schema>): Insertable {
    const { type = "any", format, items, properties, additionalProperties } = full(schema);
    const name = nameOf(schema);
    if (name !== undefined && properties !== undefined) return html`<a href="#schema-${name}">${name}</a>`;
    if (type === "array" && items !== undefined) return ["list of ", typeOf(items)];
    if (type === "object" && typeof additionalProperties === "object")
      return ["map of ", typeOf(additionalProperties)];
    const types = [type].flat().join(" or ");
    return format === undefined ? types : `${types} (${format})`;
  }

  function fieldsOf(schema: Schema): Field[] {
    return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
      name,
      required: schema.required?.includes(name) ?? false,
      schema: property,
    }));
  }

  function row(field: Field, below?: Html): Html {
    const schema = full(field.schema);
    const description = field.description ?? schema.description;
    const limits = limitsOf(schema, full);
    return html`<dt>
        <code>${field.name}</code> <span class="type">${typeOf(field.schema)}${field.place}</span>
        ${field.required ? html`<span class="required">required</span>` : undefined}
      </dt>
      <dd>
        ${description === undefined ? undefined : markdown(description, linkOf)}
        ${limits.length > 0 ? html`<p class="limits">${inline(limits.join(" · "), linkOf)}</p>` : undefined}
        ${below}
      </dd>`;
  }

  function list(fields: readonly Field[]): Html {
    return html`<dl class="fields">${fields.map((field) => row(field))}</dl>`;
  }

  function tree(schema: Referable<Schema>): Html {
    const rows = fieldsOf(full(schema)).map((field) => {
      const value = full(field.schema);
      const inner = value.items ?? field.schema;
      if (full(inner).properties === undefined) return row(field);
      const label = value.items === undefined ? "Fields" : "Fields of each item";
      return row(
        field,
        html`<details>
          <summary>${label}</summary>
          ${tree(inner)}
        </details>`,
      );
    });
    return html`<dl class="fields">${rows}</dl>`;
  }

  function definition(schema: Schema): Html {
    const own = full(schema);
    const limits = limitsOf(own, full);
    const fields = fieldsOf(own);
    return html`${markdown(own.description ?? "", linkOf)}
      <p class="limits">
        <span class="type">${typeOf(schema)}</span>
        ${limits.length > 0 ? [" · ", inline(limits.join(" · "), linkOf)] : undefined}
      </p>
      ${fields.length > 0 ? list(fields) : undefined}`;
  }

  return { linkOf, typeOf, list, tree, definition };
}

/** The limits of a value as short sentences, in Markdown. */
function limitsOf(schema: Schema, full: (schema: Referable<Schema>) => Schema): string[] {
  const { "x-pattern-message": message, pattern, items } = schema;
  const values = (list: readonly (string | number)[]) => list.map((value) => `\`${value}\``).join(", ");
  const all = [
    schema.enum && `one of ${values(schema.enum)}`,
    schema["x-extensible-enum"] && `known values: ${values(schema["x-extensible-enum"])}`,
    schema.default !== undefined && `default \`${String(schema.default)}\``,
    range(schema.minimum, schema.maximum),
    range(schema.minLength, schema.maxLength, "character"),
    range(schema.minItems, schema.maxItems, "item"),
    range(undefined, schema.maxProperties, "property", "properties"),
    schema.uniqueItems === true && "no duplicates",
    message ?? (pattern !== undefined && `matches \`${pattern}\``),
  ].filter((limit) => typeof limit === "string");
  const each = items === undefined ? [] : limitsOf(full(items), full);
  return each.length > 0 ? [...all, `each: ${each.join(", ")}`] : all;
}

/** A range of numbers, or of counts of a unit; undefined for none. */
function range(
  minimum: number | undefined,
  maximum: number | undefined,
  unit = "",
  units = `${unit}s`,
): string | undefined {
  const counted = (count: number) =>
    unit === "" ? grouped(count) : `${grouped(count)} ${count === 1 ? unit : units}`;
  if (minimum !== undefined && maximum !== undefined)
    return minimum === maximum ? counted(minimum) : `${grouped(minimum)} to ${counted(maximum)}`;
  if (maximum !== undefined) return `at most ${counted(maximum)}`;
  return minimum === undefined ? undefined : `at least ${counted(minimum)}`;
}

/** A number with commas. `Intl` would load several megabytes for it. */
function grouped(count: number): string {
  return String(count).replace(/\B(?<!\.\d*)(?=(?:\d{3})+$)/g, ",");
}
