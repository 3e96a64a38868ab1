import { setTimeout as delay } from "node:timers/promises";
import type { Authority } from "../authority/port.ts";
import type { AuthorityCounters } from "./port.ts";

/** An answer of another gateway may be on its way to the ledger: chunks are flushed within 50 ms. */
const FLUSH_LAG_MS = 200;
const ASK_AGAIN_MS = 60;
const MAX_REMEMBERED = 50_000;

export type AnswerOwnersDependencies = {
	readonly authority: Pick<Authority, "isAnswerOf">;
	readonly counters: Pick<AuthorityCounters, "sqlRoundTripsBeforeSend">;
	readonly nowMs: () => number;
};

/** Which team received which kept answer: the recent ones of this gateway in memory, all others in the ledger. */
export class AnswerOwners {
	private readonly dependencies: AnswerOwnersDependencies;
	/** In the order in which they were remembered; the oldest is forgotten first. */
	private readonly remembered = new Set<string>();

	constructor(dependencies: AnswerOwnersDependencies) {
		this.dependencies = dependencies;
	}

	remember(teamId: string, answerId: string): void {
		const oldest = this.remembered.size >= MAX_REMEMBERED ? this.remembered.values().next().value : undefined;
		if (oldest !== undefined) this.remembered.delete(oldest);
		this.remembered.add(entryOf(teamId, answerId));
	}

	/** True only where the team received the answer. Rejects as the authority does when PostgreSQL does not answer. */
	owns(teamId: string, answerId: string): boolean | Promise<boolean> {
		return this.remembered.has(entryOf(teamId, answerId)) || this.lookUp(teamId, answerId);
	}

	private async lookUp(teamId: string, answerId: string): Promise<boolean> {
		const { authority, counters, nowMs } = this.dependencies;
		const lastAskMs = nowMs() + FLUSH_LAG_MS - ASK_AGAIN_MS;
		for (;;) {
			counters.sqlRoundTripsBeforeSend++;
			if (await authority.isAnswerOf({ answerId, teamId })) {
				this.remember(teamId, answerId);
				return true;
			}
			if (nowMs() > lastAskMs) return false;
			await delay(ASK_AGAIN_MS);
		}
	}
}

/** A team id holds no NUL, so that two pairs never share an entry. */
function entryOf(teamId: string, answerId: string): string {
	return `${teamId}\0${answerId}`;
}
