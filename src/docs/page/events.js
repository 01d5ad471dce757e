/* global TextDecoderStream */

import { element, formatted, textBlock } from "./element.js";

/** More are not kept: a stream may last for days. */
const maxShown = 1000;

/** Reads the events of a stream: what comes with each of its blocks. */
async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const blocks = (rest + part.value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) yield eventFrom(block);
  }
}

function eventFrom(block) {
  const event = { id: "", event: "message", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (Object.hasOwn(event, name)) event[name] = value;
  }
  return event;
}

/** What happened, in a few words. */
function summaryOf({ step_update: step, workflow_update: workflow, message = "" }) {
  if (step !== undefined) return `${step.step_id} ${step.state} ${Math.round(step.fraction * 100)}\u00a0%`;
  return workflow === undefined ? message : `${workflow.name} ${workflow.state}`;
}

/** Shows each event of a stream in `output` as soon as it comes, and passes its data to `onData`. */
export async function showEvents(body, output, onData) {
  const log = element("div", { className: "events", tabIndex: 0 });
  log.setAttribute("role", "log");
  log.setAttribute("aria-label", "Events");
  output.append(log);
  for await (const { id, event, data } of readEvents(body)) {
    const value = JSON.parse(data);
    onData(value);
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const heading = element(
      "summary",
      {},
      element("span", { className: "event-id" }, id),
      element("strong", {}, event),
      ` ${summaryOf(value)}`,
    );
    log.append(element("details", {}, heading, textBlock(`Data of event ${id}`, formatted(data))));
    if (log.childElementCount > maxShown) log.firstElementChild.remove();
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  }
}
