import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { RULES_FILE, readDocumented, readProjectFile, readQueries, readRules } from "#test/support/monitoring.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";
import { HOW_TO_GET_PROMETHEUS, hasProgram, type PrometheusServer, startPrometheus } from "#test/support/prometheus-server.ts";
import { type System, startSystem } from "#test/support/system.ts";
import { chat, tollgateJson } from "#test/support/system-commands.ts";
import { until } from "#test/support/until.ts";

/** A real Prometheus with the configuration of deploy/ scrapes a real gateway and worker: what it then knows is what dashboards and rules ask it for. */
const isThere = hasProgram("prometheus");

describe.skipIf(!isThere)(`Prometheus ${isThere ? "" : HOW_TO_GET_PROMETHEUS}`, () => {
	let system: System;
	let prometheus: PrometheusServer;

	beforeAll(async () => {
		system = await startSystem({ TOLLGATE_METRICS_COMPAT: "litellm" });
		prometheus = await startPrometheus(writeConfig(system), path.join(system.home, "prometheus", "data"));
		// Counters of LiteLLM's names begin with the first reading, so the calls come after it.
		await until("the first reading of spend", async () => (await prometheus.query("tollgate_spend_read_timestamp_seconds")).length > 0);
		for (let call = 0; call < 5; call++) expect((await chat(system, system.endpoints().demoKey)).status).toBe(200);
		await until("spend in Prometheus", async () => (await numberOf("sum(tollgate_spend_calls)")) >= 5);
		await until("counters of what came since", async () => (await numberOf("sum(litellm_requests_metric_total)")) >= 5);
	}, 300_000);
	afterAll(async () => {
		await prometheus?.close();
		await system?.close();
	});

	const numberOf = async (expression: string): Promise<number> => (await prometheus.query(expression))[0]?.value ?? Number.NaN;

	/** That of deploy/, with this system's addresses, more often, and without an Alertmanager. */
	function writeConfig({ endpoints, home }: System): string {
		const config = parse(readProjectFile("deploy/prometheus/prometheus.yml")) as {
			scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
		};
		const targets: Readonly<Record<string, string>> = { "tollgate-gateway": endpoints().gateway, "tollgate-worker": endpoints().admin };
		const scrapeConfigs = config.scrape_configs
			.filter(({ job_name }) => job_name in targets)
			.map((job) => ({ ...job, static_configs: [{ targets: [new URL(targets[job.job_name] ?? "").host] }] }));
		const folder = path.join(home, "prometheus");
		mkdirSync(folder);
		copyFileSync(path.join(PROJECT_FOLDER, RULES_FILE), path.join(folder, path.basename(RULES_FILE)));
		const global = { scrape_interval: "1s", scrape_timeout: "1s", evaluation_interval: "1s" };
		writeFileSync(path.join(folder, "prometheus.yml"), JSON.stringify({ ...config, global, alerting: {}, scrape_configs: scrapeConfigs }));
		return path.join(folder, "prometheus.yml");
	}

	test("reaches both, and takes all they say", async () => {
		expect((await prometheus.query("up")).map(({ metric, value }) => [metric["job"], value]).sort()).toEqual([
			["tollgate-gateway", 1],
			["tollgate-worker", 1],
		]);
	});

	test("knows the spend of the books to the nano-dollar, and how far the budget is used", async () => {
		const { totalNanoUsd } = await tollgateJson<{ totalNanoUsd: string }>(system, ["spend"]);
		expect(Math.round((await numberOf('sum(tollgate_spend_usd{team="demo"})')) * 1e9)).toBe(Number(totalNanoUsd));
		expect(Number(totalNanoUsd)).toBeGreaterThan(0);
		const ratio = await numberOf('tollgate_budget_used_ratio{team="demo", dimension="team", window="day"}');
		expect(Math.round(ratio * (await numberOf('tollgate_budget_limit_usd{team="demo"}')) * 1e9)).toBe(Number(totalNanoUsd));
		expect(await numberOf("sum(tollgate_tokens_total)")).toBe(await numberOf("sum(tollgate_spend_tokens)"));
	});

	test("takes every query of every dashboard and rule", async () => {
		for (const { where, expression } of readQueries()) await expect(prometheus.query(expression), where).resolves.toBeDefined();
	});

	test("evaluates every rule, and none fires for a system at rest", async () => {
		type Evaluated = { readonly name: string; readonly health: string; readonly lastError?: string; readonly state: string };
		const rules = await until("every rule evaluated", async () => {
			const { groups } = await prometheus.ask<{ groups: { rules: Evaluated[] }[] }>("rules");
			const all = groups.flatMap(({ rules }) => rules);
			return all.every(({ health }) => health !== "unknown") && all;
		});
		expect(rules.map(({ name }) => name).sort()).toEqual(
			readRules()
				.map(({ alert }) => alert)
				.sort(),
		);
		expect(rules.filter(({ health, state }) => health !== "ok" || state === "firing")).toEqual([]);
	});

	test("finds every metric that the pages list, of its type and with no other labels", async () => {
		const documented = [...readDocumented("docs/metrics.md"), ...readDocumented("docs/litellm-metrics.md")];
		const known = await prometheus.ask<Record<string, { type: string }[]>>("metadata");
		const ours = Object.fromEntries(Object.entries(known).filter(([name]) => /^(tollgate|litellm)_/.test(name)));
		expect(Object.fromEntries(Object.entries(ours).map(([name, [first]]) => [name, first?.type]))).toEqual(
			Object.fromEntries(documented.map(({ name, type }) => [name, type])),
		);
		for (const { name, type, labels } of documented) {
			const allowed = new Set([...labels, "__name__", "instance", "job"]);
			const series = await prometheus.query(type === "histogram" ? `${name}_count` : name);
			expect(
				series.flatMap(({ metric }) => Object.keys(metric)).filter((label) => !allowed.has(label)),
				name,
			).toEqual([]);
		}
	});

	test("answers what LiteLLM's own dashboards ask", async () => {
		// `rate` and `increase` need a series twice; that of the last call may have been read once.
		for (const expression of [
			"sum(rate(litellm_proxy_total_requests_metric_total[2m]))",
			"sum(rate(litellm_request_total_latency_metric_sum[2m]))/sum(rate(litellm_request_total_latency_metric_count[2m]))",
			"histogram_quantile(0.5, sum(rate(litellm_request_total_latency_metric_bucket[2m])) by (le))",
			"sum by (le) (rate(litellm_llm_api_latency_metric_bucket[2m]))",
			"sum(increase(litellm_spend_metric_total[5m])) by (team_alias, model)",
			"sum(increase(litellm_total_tokens_metric_total[5m])) by (api_key_alias)",
			'litellm_remaining_team_budget_metric{team="demo"}',
		])
			await until(`an answer to ${expression}`, async () => (await prometheus.query(expression)).length > 0);
		expect(await numberOf('sum(litellm_proxy_total_requests_metric_total{status_code="200", route="/v1/chat/completions"})')).toBe(5);
	});
});
