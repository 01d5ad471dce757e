/** A header field of the static table (RFC 7541 Appendix A). */
export interface HeaderField {
  readonly name: string;
  readonly value: string;
}

/** In the order of Appendix A, two spaces or a line feed between fields, an asterisk before a value. */
const fieldsText = `
:authority  :method*GET  :method*POST  :path*/  :path*/index.html  :scheme*http  :scheme*https  :status*200
:status*204  :status*206  :status*304  :status*400  :status*404  :status*500  accept-charset
accept-encoding*gzip, deflate  accept-language  accept-ranges  accept  access-control-allow-origin  age  allow
authorization  cache-control  content-disposition  content-encoding  content-language  content-length
content-location  content-range  content-type  cookie  date  etag  expect  expires  from  host  if-match
if-modified-since  if-none-match  if-range  if-unmodified-since  last-modified  link  location  max-forwards
proxy-authenticate  proxy-authorization  range  referer  refresh  retry-after  server  set-cookie
strict-transport-security  transfer-encoding  user-agent  vary  via  www-authenticate`;

/** The field with index 1 is the first. */
export const staticTable: readonly HeaderField[] = fieldsText
  .trim()
  .split(/\n| {2}/)
  .map((text) => {
    const [name = "", value = ""] = text.split("*");
    return { name, value };
  });

/** The key of a field in a map that also has names as keys. A name has no line feed. */
export function fieldKey(name: string, value: string): string {
  return `${name}\n${value}`;
}

/** The index of each field by its key, and the first index of each name. */
export const staticIndexes: ReadonlyMap<string, number> = indexesOf(staticTable);

function indexesOf(fields: readonly HeaderField[]): Map<string, number> {
  const indexes = new Map<string, number>();
  fields.forEach(({ name, value }, position) => {
    if (!indexes.has(name)) indexes.set(name, position + 1);
    indexes.set(fieldKey(name, value), position + 1);
  });
  return indexes;
}
