const markup = Symbol("markup");

/** Text that is HTML. Only `html` makes it. */
export interface Html {
  readonly [markup]: string;
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** HTML from a template. What it inserts is text, for elements and quoted attributes, unless it is `Html`. */
export function html(
  strings: TemplateStringsArray,
  ...values: readonly (string | Html | readonly Html[])[]
): Html {
  const parts = strings.map((string, index) => {
    const value = values[index] ?? "";
    if (typeof value === "string")
      return string + value.replace(/[&<>"]/g, (character) => entities[character] ?? "");
    return (
      string +
      [value]
        .flat()
        .map((part) => part[markup])
        .join("")
    );
  });
  return { [markup]: parts.join("") };
}

/** The text of a whole document. */
export function htmlDocument(content: Html): string {
  return `<!doctype html>\n${content[markup]}`;
}
