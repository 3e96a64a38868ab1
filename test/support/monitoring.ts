import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parser } from "@prometheus-io/lezer-promql";
import { parse } from "yaml";
import { PROJECT_FOLDER } from "./project-files.ts";

/** What is under deploy/ for who watches the system, as the programs read it, and the metrics it may name. */
export type DocumentedMetric = { readonly name: string; readonly type: string; readonly labels: readonly string[] };
export type Query = { readonly where: string; readonly expression: string };
export type Rule = {
	readonly alert: string;
	readonly expr: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly annotations: Readonly<Record<string, string>>;
};
export type Panel = {
	readonly id: number;
	readonly type: string;
	readonly title: string;
	readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
	readonly datasource?: { readonly type: string; readonly uid: string };
	readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly datasource: { readonly uid: string } }[];
};
export type Dashboard = {
	readonly uid: string;
	readonly title: string;
	readonly panels: readonly Panel[];
	readonly templating: { readonly list: readonly { readonly name: string; readonly definition: string; readonly datasource: { readonly uid: string } }[] };
};

export const DASHBOARDS_FOLDER = "deploy/grafana/dashboards";
export const RULES_FILE = "deploy/prometheus/tollgate.rules.yml";

export function readProjectFile(file: string): string {
	return readFileSync(path.join(PROJECT_FOLDER, file), "utf8");
}

/** The rows of a table of metrics in docs/, from a heading on or from the beginning. */
export function readDocumented(file: string, heading = ""): readonly DocumentedMetric[] {
	const page = readProjectFile(file);
	const section = heading === "" ? page : (page.split(`## ${heading}\n`)[1]?.split(/^## /m)[0] ?? "");
	return [...section.matchAll(/^\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*) \|/gm)].map(([, name = "", type = "", labels = ""]) => ({
		name,
		type,
		labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = ""]) => label).sort(),
	}));
}

export function readDashboards(): readonly { readonly file: string; readonly dashboard: Dashboard }[] {
	return readdirSync(path.join(PROJECT_FOLDER, DASHBOARDS_FOLDER)).map((file) => ({
		file,
		dashboard: JSON.parse(readProjectFile(`${DASHBOARDS_FOLDER}/${file}`)) as Dashboard,
	}));
}

export function readRules(): readonly Rule[] {
	const { groups } = parse(readProjectFile(RULES_FILE)) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
	return groups.flatMap(({ rules }) => rules);
}

/** Every expression of every panel and variable, with Grafana's own variables filled in as it does, and of every rule. */
export function readQueries(): readonly Query[] {
	const ofDashboards = readDashboards().flatMap(({ file, dashboard }) => [
		...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ refId, expr }) => ({ where: `${file}: ${title} ${refId}`, expression: expr }))),
		...dashboard.templating.list.map(({ name, definition }) => ({
			where: `${file}: $${name}`,
			expression: definition.replace(/^label_values\((.*), (\w+)\)$/, "count by ($2) ($1)"),
		})),
	]);
	const filled = ofDashboards.map(({ where, expression }) => ({
		where,
		expression: expression
			.replaceAll("$__rate_interval", "1m")
			.replaceAll("$__range", "1h")
			.replaceAll(/"\$\w+"/g, '".*"'),
	}));
	return [...filled, ...readRules().map(({ alert, expr }) => ({ where: `rule ${alert}`, expression: expr }))];
}

export type NamedByQuery = { readonly isValid: boolean; readonly metrics: readonly string[]; readonly labels: readonly string[] };

/** What a PromQL expression names, by Prometheus' own grammar. */
export function namedBy(expression: string): NamedByQuery {
	const metrics = new Set<string>();
	const labels = new Set<string>();
	let isValid = true;
	parser.parse(expression).iterate({
		enter({ name, type, from, to, node }) {
			if (type.isError) isValid = false;
			if (name === "Identifier" && node.parent?.name === "VectorSelector") metrics.add(expression.slice(from, to));
			if (name === "LabelName") labels.add(expression.slice(from, to));
		},
	});
	return { isValid, metrics: [...metrics], labels: [...labels] };
}
