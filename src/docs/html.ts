const markup = Symbol("markup");

/** Text that is HTML. Only `html` makes it: no JSON value can pass for it. */
export interface Html {
  readonly [markup]: string;
}

/** What `html` inserts: text is escaped, undefined is left out, and lists are joined. */
export type Insertable = Html | string | number | undefined | readonly Insertable[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** HTML from a template. Whatever it inserts is text, for elements and for quoted attributes, unless it is `Html`. */
export function html(strings: TemplateStringsArray, ...values: readonly Insertable[]): Html {
  const [first = "", ...rest] = strings.map((string) => string.replace(/\n\s*/g, "\n"));
  return { [markup]: first + rest.map((string, index) => insert(values[index]) + string).join("") };
}

function insert(value: Insertable): string {
  if (value === undefined) return "";
  if (typeof value === "string" || typeof value === "number")
    return String(value).replace(/[&<>"']/g, (character) => entities[character] ?? character);
  return isHtml(value) ? value[markup] : value.map(insert).join("");
}

function isHtml(value: Html | readonly Insertable[]): value is Html {
  return markup in value;
}

/** The text of a whole document. */
export function htmlDocument(body: Html): string {
  return `<!doctype html>\n${body[markup]}`;
}
