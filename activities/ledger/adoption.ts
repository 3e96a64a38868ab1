import { readdirSync, rmSync } from "node:fs";
import { closeEpoch, type EpochEnd, lumpEpoch } from "./end-epoch.ts";
import { gatewayFolder, type JournalHeader, listJournals, readHeader, segmentFile } from "./journal-files.ts";
import { acquireLock, findIdentityHolder, isHolderAlive, type Lock, LockHeldError } from "./lock-file.ts";
import { readMachineBootId } from "./machine-boot-id.ts";
import { readNewestChunk } from "./newest-chunk.ts";
import { type ReplayTally, replayJournal } from "./replay.ts";
import type { GatewayEpoch, SqlConnection } from "./settle-chunk.ts";
import { createLedgerWriter, type Quarantined } from "./writer.ts";

/** A journal that was taken over. `replay` undefined: the file does not begin with a readable header. */
export type Adoption = GatewayEpoch & EpochEnd & { readonly replay: ReplayTally | undefined };

export type AdopterOptions = {
	readonly sql: SqlConnection;
	/** Folder of all journals, `<folder>/<gateway>/<epoch>.journal`. */
	readonly folder: string;
	readonly onAdopted?: (adoption: Adoption) => void;
	/** A journal could not be adopted now; it is tried again. */
	readonly onProblem?: (gatewayId: string, error: unknown) => void;
	readonly onQuarantine?: (row: Quarantined) => void;
	/** Default 10 s. */
	readonly everyMs?: number;
	/** How long one flush of a replay may take, default 10 s. */
	readonly flushDeadlineMs?: number;
};

export type Adopter = {
	/** Adopts every journal whose holder is gone. Calls while one is under way share it. */
	adoptNow(): Promise<readonly Adoption[]>;
	/** Adopts every 10 s from now on. */
	start(): void;
	/** Stops, after the adoption that is under way. */
	stop(): Promise<void>;
};

/**
 * Crash replay (money-path §5): takes over journals whose holder is gone, flushes what they hold, charges reservations
 * without an outcome, returns the idle rest and closes the epoch. Where the journal proves nothing (the machine crashed
 * without fsync, the file is damaged, or a copy of an earlier moment) all that is left on the leases is posted as one unresolved amount per team.
 * Of several adopters exactly one does it.
 */
export function createAdopter(options: AdopterOptions): Adopter {
	let running: Promise<readonly Adoption[]> | undefined;
	let timer: NodeJS.Timeout | undefined;
	const adoptNow = () => {
		running ??= adoptAll(options).finally(() => {
			running = undefined;
		});
		return running;
	};
	return {
		adoptNow,
		start() {
			timer ??= setInterval(() => {
				adoptNow().catch((error: unknown) => options.onProblem?.("*", error));
			}, options.everyMs ?? 10_000);
		},
		async stop() {
			clearInterval(timer);
			timer = undefined;
			await running?.catch(() => undefined); // already told to whoever asked for it
		},
	};
}

async function adoptAll(options: AdopterOptions): Promise<readonly Adoption[]> {
	const adoptions: Adoption[] = [];
	for (const gatewayId of listGateways(options.folder)) {
		try {
			for await (const adoption of adoptGateway(options, gatewayId)) {
				adoptions.push(adoption);
				options.onAdopted?.(adoption);
			}
		} catch (error) {
			// Another adopter is at it.
			if (!(error instanceof LockHeldError)) options.onProblem?.(gatewayId, error);
		}
	}
	return adoptions;
}

function listGateways(folder: string): string[] {
	try {
		return readdirSync(folder, { withFileTypes: true })
			.filter((entry) => entry.isDirectory())
			.map((entry) => entry.name);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
		throw error;
	}
}

async function* adoptGateway(options: AdopterOptions, gatewayId: string): AsyncGenerator<Adoption> {
	const gatewayPath = gatewayFolder(options.folder, gatewayId);
	if (!(await hasAbandoned(options.folder, gatewayId))) return;
	const lock: Lock = await acquireLock(gatewayPath, "adoption");
	try {
		for (const [epoch, segments] of listJournals(gatewayPath)) {
			const header = readHeader(segmentFile(gatewayPath, epoch, segments[0] ?? 0));
			if (await isHeld(options.folder, gatewayId, header)) continue;
			yield await adoptJournal(options, { gatewayId, gatewayPath, epoch, segments, header });
		}
	} finally {
		lock.release();
	}
}

/** Looks before locking: every 10 s there is nothing to do. */
async function hasAbandoned(folder: string, gatewayId: string): Promise<boolean> {
	const gatewayPath = gatewayFolder(folder, gatewayId);
	for (const [epoch, segments] of listJournals(gatewayPath)) {
		if (!(await isHeld(folder, gatewayId, readHeader(segmentFile(gatewayPath, epoch, segments[0] ?? 0))))) return true;
	}
	return false;
}

/** Without a readable header the journal may be one that is just being made: the identity's lock decides. */
async function isHeld(folder: string, gatewayId: string, header: JournalHeader | undefined): Promise<boolean> {
	return header ? isHolderAlive(header) : (await findIdentityHolder(folder, gatewayId)) !== undefined;
}

type Abandoned = GatewayEpoch & { readonly gatewayPath: string; readonly segments: readonly number[]; readonly header: JournalHeader | undefined };

async function adoptJournal(options: AdopterOptions, journal: Abandoned): Promise<Adoption> {
	const { gatewayId, epoch, header } = journal;
	const replay = header ? await replayThrough(options, journal) : undefined;
	const doubt = header && replay ? reasonForDoubt(header, replay) : "journal_unreadable";
	const end =
		doubt === undefined
			? await closeEpoch(options.sql, { gatewayId, epoch }, "adopted")
			: await lumpEpoch(options.sql, { gatewayId, epoch }, { reason: doubt });
	for (const segment of journal.segments) rmSync(segmentFile(journal.gatewayPath, epoch, segment), { force: true });
	return { gatewayId, epoch, replay, ...end };
}

async function replayThrough(options: AdopterOptions, journal: Abandoned): Promise<ReplayTally> {
	const { gatewayId, epoch } = journal;
	const flushDeadlineMs = options.flushDeadlineMs ?? 10_000;
	const newestChunk = await readNewestChunk(options.sql, journal);
	const writer = createLedgerWriter({ sql: options.sql, gatewayId, epoch, ...(options.onQuarantine && { onQuarantine: options.onQuarantine }) });
	try {
		return await replayJournal({ ...journal, newestChunk }, writer, flushDeadlineMs);
	} finally {
		await writer.close(0).catch(() => undefined); // what is left is replayed next time; the first error is the one to report
	}
}

/** Why the journal does not prove that what it lacks was never sent; undefined when it does. */
function reasonForDoubt(header: JournalHeader, { end, lacks }: ReplayTally): string | undefined {
	if (end.kind === "corrupt") return "journal_damaged";
	const isOfThisBoot = header.machineBootId === readMachineBootId();
	// A copy of an earlier moment. A crash of the machine may take outcomes that were not synced, never reservations that were.
	if (lacks === "reservations" || (lacks === "outcomes" && isOfThisBoot)) return "journal_outdated";
	if (header.fsyncMode === "off" && !isOfThisBoot) return "machine_crash";
	return undefined;
}
