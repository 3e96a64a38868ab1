import type { BatchOrigin, BatchState, CallerBatchRules, ItemCounts } from "./batch.ts";
import { isFinalBatch } from "./batch-moves.ts";
import type { PartRecord, ProviderBatchStatus } from "./batch-part.ts";

/**
 * What the workflow of a batch remembers. It crosses continue-as-new as plain JSON, so every release must read what an older one wrote.
 * The rows in PostgreSQL say how far the batch is; what stands here beside them may be lost, and costs a look at the provider then.
 */

/** The batch as its rows hold it. Money in nano-USD as decimal strings, times in milliseconds since 1970. */
export type JobBatch = {
	readonly state: BatchState;
	/** Changes with every change of the record. */
	readonly version: string;
	readonly protocol: "openai" | "anthropic";
	readonly provider: string;
	readonly model: string;
	readonly items: number;
	readonly counts: ItemCounts;
	readonly rules: CallerBatchRules;
	readonly heldNanoUsd: string;
	readonly settledNanoUsd: string;
	readonly createdAtMs: number;
	readonly deadlineMs: number | null;
	readonly cancelAskedAtMs: number | null;
	readonly problem: string | null;
	/** Absent: `caller`. */
	readonly origin?: BatchOrigin;
};

export type JobPicture = {
	readonly batch: JobBatch;
	/** In order. */
	readonly parts: readonly PartRecord[];
	/** There are items without an outcome that no part carries. */
	readonly hasItemsToSend: boolean;
	/** Items that were handed in alone ended, and their answers are not written yet. */
	readonly hasAnswersToDeliver?: boolean;
	/**
	 * By when the first of the items that wait for their batch would have to be answered by real time, deadlines of the others considered
	 * (hedge.ts); null or absent: none of them has a deadline.
	 */
	readonly hedgeByMs?: number | null;
	/** Parts that run and that most items left for real time: the rest goes again sooner without them. */
	readonly unneededParts?: readonly number[];
};

/** What one reading of results brought. Whole numbers. */
export type CollectTally = {
	/** Items that this part carried and that had no outcome before. */
	readonly booked: number;
	/** Said not to have run, and may go again: still without an outcome. */
	readonly goAgain: number;
	/** Nothing is said of them: still without an outcome. */
	readonly missing: number;
	/** Charged at their bounds, because nothing usable is said of them. */
	readonly unresolved: number;
	/** Lines that name no item of this part. */
	readonly unknown: number;
	/** Lines about items that have an outcome already. */
	readonly repeated: number;
	/** Lines that could not be read. */
	readonly unreadable: number;
};

/** What is known of a part beside its row. */
export type PartDrive = {
	readonly part: number;
	/** When the workflow saw it first. */
	readonly sinceMs: number;
	/** What the provider said last. */
	readonly status: ProviderBatchStatus | null;
	/** False: it was found by time and number of items, and is confirmed by our ids in its results alone. */
	readonly isCertain: boolean;
	/** Provider batches whose results named none of our items. */
	readonly notOurs: readonly string[];
	/** Looks for it in a row that found nothing. */
	readonly looks: number;
	/** The attempt before certainly did nothing: another one needs no look. */
	readonly isClear: boolean;
	/** Failed steps in a row. */
	readonly failures: number;
	/** Nothing is done about it before. */
	readonly dueAtMs: number;
	readonly cancelSentAtMs: number | null;
	/** Times that its results were read, and what the last time brought. */
	readonly readings: number;
	readonly tally: CollectTally | null;
	/** The provider refused to take it, for what it says. */
	readonly refusal: string | null;
	/** The provider does not know it any more, or its results are gone: what is open is charged. */
	readonly isLost: boolean;
};

export type JobTrouble = { readonly atMs: number; readonly step: string; readonly message: string };

/**
 * A provider batch that should not be: a second one of a part, or one that was not there when it was looked for. It is cancelled, and what it
 * billed is booked beside what its items cost already.
 */
export type DoubleBatch = {
	readonly part: number;
	readonly providerBatchId: string;
	readonly phase: "found" | "cancelled" | "settled";
	/** Times that its results were read. */
	readonly readings: number;
	/** Nothing is done about it before. */
	readonly dueAtMs: number;
};

export type JobState = {
	readonly schemaVersion: 1;
	readonly batchId: string;
	readonly teamId: string;
	/** null before the first reading. */
	readonly picture: JobPicture | null;
	/** Something changed that the picture does not show. */
	readonly isStale: boolean;
	readonly drives: readonly PartDrive[];
	/** Of steps that concern the batch as a whole: failed ones in a row, and not before when. */
	readonly failures: number;
	readonly dueAtMs: number;
	/** Parts are written not before: the provider had no room for those before. */
	readonly sendDueAtMs: number;
	/** Times in a row that items about to be late had no money for a second try, and before when it is not tried again. */
	readonly hedgeFailures: number;
	readonly hedgeDueAtMs: number;
	/** Steps that failed or were put off, in all. */
	readonly retries: number;
	readonly doubles: readonly DoubleBatch[];
	/** Parts that were given up as not created, and looked for once more before the end. */
	readonly sought: readonly number[];
	/** Sums over all parts. */
	readonly unresolved: number;
	readonly unknownLines: number;
	/** People were told that it is late. */
	readonly isLateTold: boolean;
	/** What holds it up at the moment. */
	readonly trouble: JobTrouble | null;
	/** Delays in thousandths; 1,000 but in tests. */
	readonly pacePermille: number;
};

export function emptyJob(batchId: string, teamId: string, pacePermille = 1_000): JobState {
	return {
		schemaVersion: 1,
		...{ batchId, teamId, pacePermille },
		...{
			picture: null,
			isStale: true,
			drives: [],
			failures: 0,
			dueAtMs: 0,
			sendDueAtMs: 0,
			hedgeFailures: 0,
			hedgeDueAtMs: 0,
			retries: 0,
			doubles: [],
			sought: [],
			unresolved: 0,
			unknownLines: 0,
			isLateTold: false,
			trouble: null,
		},
	};
}

const FIRST_DRIVE: Omit<PartDrive, "part"> = {
	...{
		sinceMs: 0,
		status: null,
		isCertain: true,
		notOurs: [],
		looks: 0,
		isClear: false,
		failures: 0,
		dueAtMs: 0,
		cancelSentAtMs: null,
		readings: 0,
		tally: null,
	},
	...{ refusal: null, isLost: false },
};

export function driveOf({ drives }: Pick<JobState, "drives">, part: number): PartDrive {
	return drives.find((drive) => drive.part === part) ?? { ...FIRST_DRIVE, part };
}

/** One word for lists and filters: the state, or that it waits for something out of the ordinary. */
export function jobWord({ picture, trouble }: Pick<JobState, "picture" | "trouble">): string {
	if (picture === null) return "starting";
	return trouble === null || isFinalBatch(picture.batch.state) ? picture.batch.state : "waiting";
}
