import { Counter, Gauge, type Registry } from "prom-client";
import { createWaitingHistogram, type WaitingHistogram } from "./latency-histogram.ts";
import { MODEL_ROUTES } from "./routes/model-routes.ts";

/** Calls answered, by endpoint and status; status 0 = the caller had left. */
export type RequestCounts = ReadonlyMap<string, ReadonlyMap<number, number>>;

export type LitellmSources = {
	readonly requests: RequestCounts;
	readonly openCalls: () => number;
	readonly overhead: Pick<WaitingHistogram, "showAlsoAs">;
	readonly upstream: Pick<WaitingHistogram, "showAlsoAs">;
};

/** LATENCY_BUCKETS of litellm/types/integrations/prometheus.py, 1.110.2. */
const LITELLM_BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 420, 600];
const ROUTES: ReadonlyMap<string, string> = new Map(MODEL_ROUTES.map(({ endpoint, url }) => [endpoint, url]));

/**
 * What a gateway can say under the names of LiteLLM's proxy (litellm/integrations/prometheus.py, 1.110.2), for dashboards made for it. Labels that
 * name a team, key, model or user are left out here: nothing is looked up for them while a call is served. What was spent is told by the worker.
 */
export function exposeLitellm(registry: Registry, sources: LitellmSources): { answered(status: number, receivedAtMs: number): void } {
	registerRequests(registry, sources.requests);
	new Gauge({
		name: "litellm_in_flight_requests",
		help: "Calls being served or accounted for.",
		registers: [registry],
		collect() {
			this.set(sources.openCalls());
		},
	});
	const buckets = LITELLM_BUCKETS_SECONDS;
	sources.overhead.showAlsoAs(registry, {
		name: "litellm_overhead_latency_metric",
		help: "Time of a call before it was sent to the provider, seconds.",
		buckets,
	});
	sources.upstream.showAlsoAs(registry, {
		name: "litellm_llm_api_latency_metric",
		help: "Time from sending to the last byte of the provider's answer, seconds.",
		buckets,
	});
	const total = createWaitingHistogram(registry, {
		name: "litellm_request_total_latency_metric",
		help: "Time from the arrival of a call to the end of its answer, of calls that were answered without an error, seconds.",
		buckets,
	});
	return {
		answered(status, receivedAtMs) {
			if (status >= 200 && status < 400) total.observe(performance.now() - receivedAtMs);
		},
	};
}

function registerRequests(registry: Registry, requests: RequestCounts): void {
	const each = (read: (labels: { route?: string }, status: number, count: number) => void): void => {
		for (const [endpoint, byStatus] of requests) {
			const route = ROUTES.get(endpoint);
			// Who had left was answered with no status.
			for (const [status, count] of byStatus) if (status !== 0) read(route === undefined ? {} : { route }, status, count);
		}
	};
	new Counter({
		name: "litellm_proxy_total_requests_metric_total",
		help: "Calls answered, by status and route.",
		labelNames: ["status_code", "route"],
		registers: [registry],
		collect() {
			this.reset();
			each((labels, status, count) => this.inc({ ...labels, status_code: String(status) }, count));
		},
	});
	new Counter({
		name: "litellm_proxy_failed_requests_metric_total",
		help: "Calls answered with an error, by status and route.",
		labelNames: ["exception_status", "route"],
		registers: [registry],
		collect() {
			this.reset();
			each((labels, status, count) => {
				if (status >= 400) this.inc({ ...labels, exception_status: String(status) }, count);
			});
		},
	});
}
