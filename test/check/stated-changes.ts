/**
 * The breaking changes that a changelog states, by their texts. Each is an entry of its own with a reason:
 *
 *     - Breaking: `WorkflowSpec.name: maxLength was 256 and is 128`: longer names never reached the platform.
 */
export function statedChanges(changelog: string): string[] {
  const entries = changelog.matchAll(/^- Breaking: `([^`]+)`[:.,]?(?: |\n {2})\S/gm);
  return [...entries].map(([, change = ""]) => change.replace(/\s+/g, " "));
}
