import type { Logger } from "pino";
import type { SettleReply } from "#activities/ledger/settle-chunk.ts";
import type { LedgerWriterOptions, Quarantined } from "#activities/ledger/writer.ts";

export type LedgerWatch = {
	/** What a ledger writer tells; each reply goes on to `onReply`. */
	events(onReply: (reply: SettleReply) => void): Required<Pick<LedgerWriterOptions, "onReply" | "onQuarantine" | "onRetry">>;
	/** For how long PostgreSQL has not taken what it was given; 0 while it does. */
	failingMs(): number;
};

/** Says in the log what becomes of chunks of the ledger, and remembers since when none was taken. */
export function watchLedger(log: Pick<Logger, "error" | "warn">): LedgerWatch {
	let failsSinceMs: number | undefined;
	return {
		events: (onReply) => ({
			onReply(reply) {
				failsSinceMs = undefined;
				onReply(reply);
			},
			onRetry(error, delayMs) {
				failsSinceMs ??= performance.now();
				log.warn({ err: error, delayMs }, "the ledger does not take a chunk; trying again");
			},
			onQuarantine: (row) => logQuarantined(log, row),
		}),
		failingMs: () => (failsSinceMs === undefined ? 0 : performance.now() - failsSinceMs),
	};
}

export function logQuarantined(log: Pick<Logger, "error">, { requestId, team, ...row }: Quarantined): void {
	log.error({ requestId, team, row }, "a ledger row stands in quarantine");
}
