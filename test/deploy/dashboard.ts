import { readFileSync } from "node:fs";

/** A query of a panel. */
interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat: string;
}

/** A panel, or the title row of a group. */
export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly Target[];
}

/** The fields of the dashboard that the tests read. */
export const dashboard = JSON.parse(readFileSync("deploy/grafana/dashboards/gateway.json", "utf8")) as {
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
  readonly panels: readonly Panel[];
};

/** The queries, with rates over `window`, of all gateways in all namespaces, or in none. */
export function dashboardQueries(window: string): readonly string[] {
  return dashboard.panels.flatMap(({ targets = [] }) =>
    targets.map(({ expr }) =>
      expr.replaceAll("$__rate_interval", window).replaceAll(/\$(?:namespace|instance)/g, ".*"),
    ),
  );
}
