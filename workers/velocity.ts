import type { Logger } from "pino";
import { Counter, type Registry } from "prom-client";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { sweepVelocity } from "#activities/limits/velocity.ts";
import { repeat } from "./shared/repeat.ts";

const SWEEP_EVERY_MS = 60_000;
const FORGET_EVERY_MS = 60_000;

/** Watches how fast keys and users spend, and throttles those that leave their own history; tidies up shares of rates. Returns how to stop. */
export function startVelocity(
	sql: SqlConnection,
	{ log, metrics }: { readonly log: Pick<Logger, "info" | "warn" | "error">; readonly metrics: Registry },
): () => Promise<void> {
	const throttles = new Counter({
		name: "tollgate_velocity_throttles_total",
		help: "Throttles that began because the spending of a key or user left its own history.",
		labelNames: ["dimension"],
		registers: [metrics],
	});
	const sweep = async (): Promise<void> => {
		for (const throttled of await sweepVelocity(sql)) {
			throttles.inc({ dimension: throttled.dimension });
			log.warn(throttled, `${throttled.dimension} ${throttled.value} of team ${throttled.teamId} is throttled: it spends faster than its own history`);
		}
	};
	const forget = async (): Promise<void> => void (await sql.query("forget_rate_shares", "SELECT tollgate.forget_rate_shares(NULL)", []));
	const stops = [
		repeat({ name: "velocity", everyMs: SWEEP_EVERY_MS, work: sweep }, log),
		repeat({ name: "rate shares", everyMs: FORGET_EVERY_MS, work: forget }, log),
	];
	return async () => {
		await Promise.all(stops.map((stop) => stop()));
	};
}
