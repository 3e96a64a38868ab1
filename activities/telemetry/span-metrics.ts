import { Counter, Gauge, type Registry } from "prom-client";
import type { SpanLoss, SpanTelemetry } from "./port.ts";

const LOSSES: readonly SpanLoss[] = ["queue_full", "export_failed", "process_ended", "not_built"];

/** What became of spans. Undefined: none are made, and its metrics are 0. */
export function registerSpanMetrics(registry: Registry, telemetry: Pick<SpanTelemetry, "counters" | "waiting"> | undefined): void {
	const registers = [registry];
	const counters: readonly (readonly ["exported" | "unsampled" | "bodiesLetGo", string, string])[] = [
		["exported", "tollgate_spans_exported_total", "Calls, or items of batches, that the receiver of spans took."],
		["unsampled", "tollgate_spans_unsampled_total", "Calls, or items of batches, that the sampler left out."],
		["bodiesLetGo", "tollgate_spans_without_bodies_total", "Spans without what the bodies say, because too many bytes waited."],
	];
	for (const [counter, name, help] of counters) {
		new Counter({
			...{ name, help, registers },
			collect() {
				this.reset();
				this.inc(telemetry?.counters[counter] ?? 0);
			},
		});
	}
	new Counter({
		...{ name: "tollgate_spans_lost_total", help: "Calls, or items of batches, whose span was lost, by why.", labelNames: ["reason"], registers },
		collect() {
			this.reset();
			for (const reason of LOSSES) this.inc({ reason }, telemetry?.counters.lost[reason] ?? 0);
		},
	});
	new Gauge({
		...{ name: "tollgate_spans_waiting", help: "Calls, or items of batches, whose span has not left.", registers },
		collect() {
			this.set(telemetry?.waiting ?? 0);
		},
	});
}
