import { existsSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { namedBy, type Panel, readDashboards, readDocumented, readProjectFile, readQueries, readRules } from "#test/support/monitoring.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";

/** What is under deploy/ names only what there is. That rules fire and that Prometheus takes it all: test/contract/prometheus.test.ts, test/e2e/prometheus.test.ts. */
const documented = readDocumented("docs/metrics.md");
/** Of every scrape. */
const OF_PROMETHEUS = [{ name: "up", labels: ["instance", "job"] }];
const HISTOGRAM_ENDINGS = /_(bucket|sum|count)$/;

function metricOf(name: string): { readonly labels: readonly string[] } | undefined {
	const histogram = documented.find((metric) => metric.type === "histogram" && metric.name === name.replace(HISTOGRAM_ENDINGS, ""));
	if (histogram !== undefined) return HISTOGRAM_ENDINGS.test(name) ? { labels: [...histogram.labels, "le"] } : undefined;
	return documented.find((metric) => metric.name === name) ?? OF_PROMETHEUS.find((metric) => metric.name === name);
}

describe("queries", () => {
	test.each(readQueries())("$where names metrics and labels that there are", ({ expression }) => {
		const { isValid, metrics, labels } = namedBy(expression);
		expect(isValid, expression).toBe(true);
		expect(metrics.length).toBeGreaterThan(0);
		expect(metrics.filter((name) => metricOf(name) === undefined)).toEqual([]);
		const known = new Set(["instance", "job", ...metrics.flatMap((name) => metricOf(name)?.labels ?? [])]);
		expect(labels.filter((label) => !known.has(label))).toEqual([]);
	});

	test("a counter is asked for how fast it grows, a gauge never as if it were a counter", () => {
		const wrong = readQueries().filter(({ expression }) =>
			[...expression.matchAll(/(?:(\w+)\()?(tollgate_\w+)(\{[^}]*\})?(\[)?/g)].some(([, reader = "", name = "", , range]) => {
				const type = documented.find((metric) => metric.name === name.replace(HISTOGRAM_ENDINGS, ""))?.type;
				return type === "gauge" ? ["rate", "irate", "increase"].includes(reader) : range === undefined || !["rate", "increase"].includes(reader);
			}),
		);
		expect(wrong).toEqual([]);
	});

	test("what every worker shows alike is never added up over workers", () => {
		const alike = /tollgate_(spend_|budget_(used|limit|left)|budgets_|deferred|alert_deliveries_(waiting|dead)|silent)\w*/;
		const added = readQueries().filter(
			({ expression }) => alike.test(expression) && !/\bmax\b|^(count by|rule )/.test(expression) && !expression.includes("deferred_webhooks_total"),
		);
		expect(added).toEqual([]);
	});
});

describe("rules", () => {
	const rules = readRules();

	test("have a severity, a summary, a description and a page that is there", () => {
		for (const { alert, labels, annotations } of rules) {
			expect(["critical", "warning", "info"], alert).toContain(labels["severity"]);
			for (const name of ["summary", "description"]) expect((annotations[name] ?? "").length, `${alert} ${name}`).toBeGreaterThan(10);
			expect(existsSync(path.join(PROJECT_FOLDER, annotations["runbook"] ?? "none")), alert).toBe(true);
		}
	});

	test("are each tested to fire and to be silent", () => {
		const { tests } = parse(readProjectFile("deploy/prometheus/tollgate.rules.test.yml")) as {
			readonly tests: readonly { readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[] }[];
		};
		const judged = tests.flatMap(({ alert_rule_test }) =>
			alert_rule_test.map(({ alertname, exp_alerts }) => `${alertname} ${exp_alerts.length > 0 ? "fires" : "is silent"}`),
		);
		expect(judged.sort()).toEqual(rules.flatMap(({ alert }) => [`${alert} fires`, `${alert} is silent`]).sort());
	});

	test("stand in docs/monitoring.md, and everything docs/metrics.md says to alert on has one", () => {
		const page = readProjectFile("docs/monitoring.md");
		const listed = [...page.matchAll(/^\| `(Tollgate\w+)` \| (\w+) \|/gm)].map(([, alert, severity]) => `${alert} ${severity}`);
		expect(listed.sort()).toEqual(rules.map(({ alert, labels }) => `${alert} ${labels["severity"]}`).sort());
		const alertedOn = new Set(rules.flatMap(({ expr }) => namedBy(expr).metrics));
		const promised = [...readProjectFile("docs/metrics.md").matchAll(/^\| `(tollgate_\w+)` \|.*Alert /gm)].map(([, name = ""]) => name);
		// Of tries to deliver an alert, what counts is how many were given up and nobody took note of.
		const standsFor: Readonly<Record<string, string>> = { tollgate_alert_deliveries_total: "tollgate_alert_deliveries_dead" };
		expect(promised.filter((name) => !alertedOn.has(standsFor[name] ?? name))).toEqual([]);
		expect(promised.length).toBeGreaterThan(5);
	});
});

describe("dashboards", () => {
	const dashboards = readDashboards();
	const overlap = (a: Panel["gridPos"], b: Panel["gridPos"]): boolean => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

	test.each(dashboards)("$file has its own ids, panels that do not overlap, and the data source that is provisioned", ({ dashboard }) => {
		const { panels, templating } = dashboard;
		expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
		for (const [index, panel] of panels.entries()) {
			expect(panel.gridPos.x + panel.gridPos.w, panel.title).toBeLessThanOrEqual(24);
			expect(panels.slice(index + 1).filter((other) => overlap(panel.gridPos, other.gridPos))).toEqual([]);
			if (panel.type !== "row") expect([panel.datasource?.uid, (panel.targets ?? []).length > 0], panel.title).toEqual(["prometheus", true]);
		}
		const sources = parse(readProjectFile("deploy/grafana/provisioning/datasources/prometheus.yml")) as {
			readonly datasources: readonly { readonly uid: string }[];
		};
		const used = [
			...templating.list.map(({ datasource }) => datasource.uid),
			...panels.flatMap(({ targets = [] }) => targets.map(({ datasource }) => datasource.uid)),
		];
		const provisioned = sources.datasources.map(({ uid }) => uid);
		expect(used.filter((uid) => !provisioned.includes(uid))).toEqual([]);
	});

	test("have an id and a title of their own each", () => {
		for (const field of ["uid", "title"] as const) expect(new Set(dashboards.map(({ dashboard }) => dashboard[field])).size).toBe(dashboards.length);
	});

	test("show every metric there is", () => {
		const shown = new Set(readQueries().flatMap(({ expression }) => namedBy(expression).metrics.map((name) => name.replace(HISTOGRAM_ENDINGS, ""))));
		const notShown = documented.map(({ name }) => name).filter((name) => !shown.has(name));
		// A budget's limit is what its share is of.
		expect(notShown).toEqual(["tollgate_budget_limit_usd"]);
	});
});

describe("docker-compose.yml", () => {
	type Service = {
		readonly image?: string;
		readonly ports?: readonly string[];
		readonly volumes?: readonly string[];
		readonly networks?: readonly string[];
		readonly environment?: Readonly<Record<string, string>>;
		readonly healthcheck?: unknown;
	};
	const { services } = parse(readProjectFile("docker-compose.yml"), { merge: true }) as { readonly services: Readonly<Record<string, Service>> };

	test.each(["prometheus", "alertmanager", "grafana"])("%s is pinned, watched, on loopback alone, and has the files it is told of", (name) => {
		const service = services[name];
		expect(service?.image).toMatch(/:v?\d+\.\d+\.\d+$/);
		expect(service?.healthcheck).toBeDefined();
		for (const port of service?.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
		const mounted = (service?.volumes ?? []).filter((volume) => volume.startsWith("./"));
		expect(mounted.length).toBeGreaterThan(0);
		for (const volume of mounted) expect([existsSync(path.join(PROJECT_FOLDER, volume.split(":")[0] ?? "")), volume.endsWith(":ro")]).toEqual([true, true]);
		expect(service?.networks).toContain("inside");
	});

	test("every published port is of this machine alone, and Grafana does not start without a password", () => {
		for (const { ports = [] } of Object.values(services)) for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
		expect(services["grafana"]?.environment?.["GF_SECURITY_ADMIN_PASSWORD"]).toMatch(/^\$\{GRAFANA_PASSWORD:\?/);
	});

	test("Prometheus scrapes the services by the ports they listen on, and knows Alertmanager", () => {
		const config = parse(readProjectFile("deploy/prometheus/prometheus.yml")) as {
			readonly scrape_configs: readonly { readonly job_name: string; readonly static_configs: readonly { readonly targets: readonly string[] }[] }[];
			readonly alerting: { readonly alertmanagers: readonly { readonly static_configs: readonly { readonly targets: readonly string[] }[] }[] };
		};
		const targets = Object.fromEntries(config.scrape_configs.map((job) => [job.job_name, job.static_configs.flatMap((one) => one.targets)]));
		const { environment: gateway } = services["gateway"] ?? {};
		const { environment: worker } = services["worker"] ?? {};
		expect(targets).toMatchObject({
			"tollgate-gateway": [`gateway:${gateway?.["TOLLGATE_GATEWAY_PORT"]}`],
			"tollgate-worker": [`worker:${worker?.["TOLLGATE_ADMIN_PORT"]}`],
		});
		expect(config.alerting.alertmanagers.flatMap((one) => one.static_configs.flatMap(({ targets }) => targets))).toEqual(["alertmanager:9093"]);
	});
});
