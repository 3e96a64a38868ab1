import { setTimeout as delay } from "node:timers/promises";
import type { AuthorityCounters } from "./port.ts";

/** An answer of another gateway may be on its way to the ledger: chunks are flushed within 50 ms. */
const FLUSH_LAG_MS = 200;
const ASK_AGAIN_MS = 60;
const MAX_REMEMBERED = 50_000;

export type ReceivedIdsDependencies = {
	/** Those of the ids that the ledger says the team received. Rejects as the authority does when PostgreSQL does not answer. */
	lookUp(teamId: string, ids: readonly string[]): Promise<readonly string[]>;
	readonly counters: Pick<AuthorityCounters, "sqlRoundTripsBeforeSend">;
	readonly nowMs: () => number;
};

/** Which team received what the provider keeps: the recent of this gateway in memory, all others in the ledger. */
export class ReceivedIds {
	private readonly dependencies: ReceivedIdsDependencies;
	/** In the order in which they were remembered; the oldest is forgotten first. */
	private readonly remembered = new Set<string>();

	constructor(dependencies: ReceivedIdsDependencies) {
		this.dependencies = dependencies;
	}

	remember(teamId: string, id: string): void {
		const oldest = this.remembered.size >= MAX_REMEMBERED ? this.remembered.values().next().value : undefined;
		if (oldest !== undefined) this.remembered.delete(oldest);
		this.remembered.add(entryOf(teamId, id));
	}

	/** The first of the ids that the team did not receive; all that are not remembered cost one look-up together. */
	findUnknown(teamId: string, ids: readonly string[]): string | undefined | Promise<string | undefined> {
		const forgotten = ids.filter((id) => !this.remembered.has(entryOf(teamId, id)));
		return forgotten.length === 0 ? undefined : this.lookUp(teamId, forgotten);
	}

	private async lookUp(teamId: string, ids: readonly string[]): Promise<string | undefined> {
		const { counters, nowMs, lookUp } = this.dependencies;
		const lastAskMs = nowMs() + FLUSH_LAG_MS - ASK_AGAIN_MS;
		for (let missing = [...new Set(ids)]; ; ) {
			counters.sqlRoundTripsBeforeSend++;
			const found = new Set(await lookUp(teamId, missing));
			for (const id of found) this.remember(teamId, id);
			missing = missing.filter((id) => !found.has(id));
			if (missing.length === 0 || nowMs() > lastAskMs) return missing[0];
			await delay(ASK_AGAIN_MS);
		}
	}
}

/** A team id holds no NUL, so that two pairs never share an entry. */
function entryOf(teamId: string, id: string): string {
	return `${teamId}\0${id}`;
}
