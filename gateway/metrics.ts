import { Counter, Gauge, Registry } from "prom-client";
import type { DecisionCounters } from "#activities/decisions/port.ts";
import type { AuthorityCounters } from "#activities/request/port.ts";
import type { RunGuard } from "#activities/runs/guard-port.ts";
import type { CallTelemetry } from "#activities/telemetry/port.ts";
import { registerSpanMetrics } from "#activities/telemetry/span-metrics.ts";
import type { RunGuardName } from "#domain/agents/run.ts";
import type { ErrorCode } from "#domain/errors/codes.ts";
import { createWaitingHistogram } from "./latency-histogram.ts";
import { exposeLitellm, type RequestCounts } from "./litellm-metrics.ts";

/** What /metrics shows: how calls fare here. No label names a user, key or team; every metric is listed in docs/metrics.md. */
export type GatewayMetrics = {
	readonly contentType: string;
	/**
	 * `status` 0 = the caller left before an answer began.
	 * `receivedAtMs`: when a call came (performance.now), where its whole time may be of use.
	 */
	countRequest(endpoint: string, status: number, receivedAtMs?: number): void;
	/** `heldBy`: the guard of the run that stands still, for run.paused and run.stopped. */
	countRefusal(code: ErrorCode, heldBy?: RunGuardName): void;
	/** Time of a call before it was sent to the provider. */
	observeOverhead(milliseconds: number): void;
	observeUpstream(milliseconds: number): void;
	render(): Promise<string>;
	/** Names as exposed, for the test that holds docs/metrics.md to them. */
	readonly names: readonly string[];
};

export type MetricsSources = {
	readonly counters: AuthorityCounters;
	/** Of the policy engine that is asked beside the built-in rules. */
	readonly decisions: DecisionCounters;
	readonly pendingLedgerRows: () => number;
	readonly openCalls: () => number;
	readonly heldBodyBytes: () => number;
	/** For how long PostgreSQL has not taken a chunk of the ledger that it was given. */
	readonly ledgerFailingMs: () => number;
	readonly runs: () => RunGuard["sizes"];
	/** Undefined where calls are not sent as spans: its metrics are 0. */
	readonly telemetry: Pick<CallTelemetry, "counters" | "waiting"> | undefined;
	/** The metrics of LiteLLM's proxy too. */
	readonly isLitellm: boolean;
};

const OVERHEAD_BUCKETS_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5];
const UPSTREAM_BUCKETS_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900];

export function createGatewayMetrics(sources: MetricsSources): GatewayMetrics {
	const registry = new Registry();
	const requests = createRequestTally(registry);
	const refusals = createTally<ErrorCode>(registry, {
		name: "tollgate_refusals_total",
		help: "Calls refused by Tollgate itself, by error code.",
		label: "code",
	});
	const runRefusals = createTally<RunGuardName>(registry, {
		name: "tollgate_run_refusals_total",
		help: "Calls refused because their agent run stands still, by the guard that holds it.",
		label: "guard",
	});
	const overhead = createWaitingHistogram(registry, {
		name: "tollgate_overhead_seconds",
		help: "Time of a call before it was sent to the provider.",
		buckets: OVERHEAD_BUCKETS_SECONDS,
	});
	const upstream = createWaitingHistogram(registry, {
		name: "tollgate_upstream_duration_seconds",
		help: "Time from sending to the last byte of the provider's answer.",
		buckets: UPSTREAM_BUCKETS_SECONDS,
	});
	const litellm = sources.isLitellm ? exposeLitellm(registry, { requests: requests.counts, openCalls: sources.openCalls, overhead, upstream }) : undefined;
	registerAuthority(registry, sources);
	registerTokens(registry, sources.counters);
	registerDecisions(registry, sources.decisions);
	registerRuns(registry, sources.runs);
	registerSpanMetrics(registry, sources.telemetry);
	return {
		contentType: registry.contentType,
		countRequest(endpoint, status, receivedAtMs) {
			requests.add(endpoint, status);
			if (litellm !== undefined && receivedAtMs !== undefined) litellm.answered(status, receivedAtMs);
		},
		countRefusal(code, heldBy) {
			refusals.add(code);
			if (heldBy !== undefined) runRefusals.add(heldBy);
		},
		observeOverhead: overhead.observe,
		observeUpstream: upstream.observe,
		render: () => registry.metrics(),
		names: registry.getMetricsAsArray().map((metric) => metric.name),
	};
}

function statusClass(status: number): string {
	return status === 0 ? "left" : `${Math.floor(status / 100)}xx`;
}

/** Counts in plain maps on the hot path; the Prometheus counter is filled only when it is scraped. */
function createRequestTally(registry: Registry): { readonly counts: RequestCounts; add(endpoint: string, status: number): void } {
	const counts = new Map<string, Map<number, number>>();
	new Counter({
		name: "tollgate_requests_total",
		help: "Calls answered, by endpoint and status class.",
		labelNames: ["endpoint", "status_class"],
		registers: [registry],
		collect() {
			this.reset();
			for (const [endpoint, byStatus] of counts) for (const [status, count] of byStatus) this.inc({ endpoint, status_class: statusClass(status) }, count);
		},
	});
	return {
		counts,
		add(endpoint, status) {
			const byStatus = counts.get(endpoint) ?? new Map<number, number>();
			byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
			counts.set(endpoint, byStatus);
		},
	};
}

type TallyNames = { readonly name: string; readonly help: string; readonly label: string };

/** One label, whose values are few and known. */
function createTally<Value extends string>(registry: Registry, { name, help, label }: TallyNames): { add(value: Value): void } {
	const counts = new Map<Value, number>();
	new Counter({
		name,
		help,
		labelNames: [label],
		registers: [registry],
		collect() {
			this.reset();
			for (const [value, count] of counts) this.inc({ [label]: value }, count);
		},
	});
	return { add: (value) => void counts.set(value, (counts.get(value) ?? 0) + 1) };
}

const AUTHORITY_COUNTERS: readonly (readonly [keyof AuthorityCounters, string, string])[] = [
	["admitted", "tollgate_attempts_admitted_total", "Attempts reserved."],
	["admittedOnAllowance", "tollgate_attempts_on_outage_allowance_total", "Attempts that took from the money kept for an outage."],
	["settled", "tollgate_attempts_settled_total", "Attempts booked with their real usage."],
	["released", "tollgate_attempts_released_total", "Attempts that cost nothing."],
	["unresolved", "tollgate_attempts_unresolved_total", "Attempts charged at their reservation because their end is unknown."],
	["clamped", "tollgate_attempts_clamped_total", "Attempts admitted with a lowered output cap."],
	["refused", "tollgate_budget_refusals_total", "Calls refused by a budget."],
	["observedRefusals", "tollgate_observed_refusals_total", "Calls let pass that an observed budget would have refused, per budget."],
	["degraded", "tollgate_calls_degraded_total", "Times a call was served by another model because spend had passed a line."],
	["overruns", "tollgate_overruns_total", "Attempts that cost more than their reservation."],
	["grants", "tollgate_grants_total", "Lease grants asked of PostgreSQL."],
	["recallsAnswered", "tollgate_recalls_answered_total", "Claims of other gateways answered with idle money."],
	["rateExchanges", "tollgate_rate_exchanges_total", "Statements about rates asked of PostgreSQL, most of them in the background."],
	["sqlRoundTripsBeforeSend", "tollgate_sql_round_trips_before_send_total", "SQL statements calls waited for before they were sent."],
];

function registerAuthority(registry: Registry, sources: MetricsSources): void {
	for (const [counter, name, help] of AUTHORITY_COUNTERS) {
		new Counter({
			name,
			help,
			registers: [registry],
			collect() {
				this.reset();
				this.inc(sources.counters[counter]);
			},
		});
	}
	registerGauge(registry, { name: "tollgate_open_reservations", help: "Reservations without an outcome.", read: () => sources.counters.openReservations });
	registerGauge(registry, { name: "tollgate_open_calls", help: "Calls being served or accounted for.", read: sources.openCalls });
	registerGauge(registry, { name: "tollgate_held_body_bytes", help: "Request bodies of open calls, bytes.", read: sources.heldBodyBytes });
	registerGauge(registry, { name: "tollgate_ledger_rows_pending", help: "Ledger rows journaled and not yet in PostgreSQL.", read: sources.pendingLedgerRows });
	registerGauge(registry, {
		name: "tollgate_ledger_failing_seconds",
		help: "For how long PostgreSQL has not taken a chunk of the ledger that it was given; 0 while it does.",
		read: () => sources.ledgerFailingMs() / 1_000,
	});
}

/** Each token is in one class, so that their sum is all of them. */
function registerTokens(registry: Registry, counters: AuthorityCounters): void {
	new Counter({
		name: "tollgate_tokens_total",
		help: "Tokens of calls whose usage is known, by class.",
		labelNames: ["class"],
		registers: [registry],
		collect() {
			this.reset();
			this.inc({ class: "input" }, counters.inputTokens - counters.cachedInputTokens - counters.cacheWriteTokens);
			this.inc({ class: "cached_input" }, counters.cachedInputTokens);
			this.inc({ class: "cache_write" }, counters.cacheWriteTokens);
			this.inc({ class: "output" }, counters.outputTokens - counters.reasoningTokens);
			this.inc({ class: "reasoning" }, counters.reasoningTokens);
		},
	});
}

/** What this gateway knows of agent runs. */
function registerRuns(registry: Registry, sizes: MetricsSources["runs"]): void {
	new Gauge({
		name: "tollgate_runs",
		help: "Agent runs that this gateway knows: live ones, and those at rest.",
		labelNames: ["state"],
		registers: [registry],
		collect() {
			const { live, resting } = sizes();
			this.set({ state: "live" }, live);
			this.set({ state: "resting" }, resting);
		},
	});
	registerGauge(registry, { name: "tollgate_runs_held", help: "Of those, the ones that are paused or stopped.", read: () => sizes().held });
	registerGauge(registry, { name: "tollgate_run_watchers", help: "Requests that wait for a run to change.", read: () => sizes().watched });
}

function registerDecisions(registry: Registry, counters: DecisionCounters): void {
	new Counter({
		name: "tollgate_decisions_total",
		help: "Calls a policy engine had a say in, by what it decided.",
		labelNames: ["decision"],
		registers: [registry],
		collect() {
			this.reset();
			for (const decision of ["allowed", "denied", "undecided"] as const) this.inc({ decision }, counters[decision]);
		},
	});
	new Counter({
		name: "tollgate_decisions_remembered_total",
		help: "Of those, the ones for which the engine was not asked again.",
		registers: [registry],
		collect() {
			this.reset();
			this.inc(counters.remembered);
		},
	});
}

function registerGauge(registry: Registry, gauge: { readonly name: string; readonly help: string; read(): number }): void {
	new Gauge({
		name: gauge.name,
		help: gauge.help,
		registers: [registry],
		collect() {
			this.set(gauge.read());
		},
	});
}
