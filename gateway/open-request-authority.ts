import { readFileSync } from "node:fs";
import path from "node:path";
import type { Logger } from "pino";
import { createPostgresAuthority, openAsking } from "#activities/authority/postgres.ts";
import type { BatchStore } from "#activities/batches/port.ts";
import { createPostgresBatchStore } from "#activities/batches/store/postgres.ts";
import { Connection } from "#activities/database/connection.ts";
import { createAnswerCipher, readOrCreateSecret } from "#activities/idempotency/answer-cipher.ts";
import { IdempotentCalls } from "#activities/idempotency/idempotent-calls.ts";
import { createPostgresIdempotencyStore } from "#activities/idempotency/postgres.ts";
import { createAdopter } from "#activities/ledger/adoption.ts";
import { closeEpoch } from "#activities/ledger/end-epoch.ts";
import { openJournal } from "#activities/ledger/journal.ts";
import { type FsyncMode, gatewayFolder } from "#activities/ledger/journal-files.ts";
import { acquireIdentityLock } from "#activities/ledger/lock-file.ts";
import { readMachineBootId } from "#activities/ledger/machine-boot-id.ts";
import type { LedgerWriter } from "#activities/ledger/record.ts";
import type { SqlConnection } from "#activities/ledger/settle-chunk.ts";
import { createLedgerWriter } from "#activities/ledger/writer.ts";
import { createPostgresRates } from "#activities/limits/postgres.ts";
import { readModelAliases } from "#activities/policy/model-aliases.ts";
import { readCurrentPriceBook } from "#activities/pricebooks/postgres.ts";
import { readProcessStart } from "#activities/process/identity.ts";
import { replaceFile } from "#activities/process/replace-file.ts";
import type { ReloadableCatalog } from "#activities/providers/port.ts";
import { createOpaqueUserIds } from "#activities/request/claimed-users.ts";
import type { RequestAuthority } from "#activities/request/port.ts";
import { createRequestAuthority } from "#activities/request/request-authority.ts";
import { logQuarantined, watchLedger } from "./ledger-log.ts";
import { type OpenedDeferred, openDeferred } from "./open-deferred.ts";
import { type CountedWriter, countRows, type OpenedRuns, openRuns } from "./open-runs.ts";

export type OpenOptions = {
	readonly databaseUrl: string;
	readonly gatewayId: string;
	readonly journalFolder: string;
	/** Secret of the stored answers and of the opaque ids of claimed users; made when it is missing. */
	readonly idempotencyKeyFile: string;
	readonly fsyncMode: FsyncMode;
	readonly log: Pick<Logger, "error" | "warn" | "info">;
	readonly crashPoint: (name: string) => void;
	/** Takes the model aliases of the policy: before the first call, and whenever one was applied. Default: nobody. */
	readonly onAliases?: ReloadableCatalog["replaceAliases"];
	/** A later epoch of this gateway exists: this process must end. */
	readonly onFenced: () => void;
};

export type OpenedAuthority = {
	readonly authority: RequestAuthority;
	readonly writer: LedgerWriter;
	readonly idempotentCalls: IdempotentCalls;
	readonly runs: OpenedRuns;
	/** On the connection of the ledger: thousands of items at a time would keep calls waiting on any other. */
	readonly batches: BatchStore;
	readonly deferred: OpenedDeferred;
	/** For how long PostgreSQL has not taken a chunk of the ledger that it was given; 0 while it does. */
	readonly ledgerFailingMs: () => number;
};

/**
 * One boot of a gateway: takes its identity (a second process with a live holder's identity is turned away), adopts
 * the journals of dead ones, its own included, registers a new epoch, and puts the request layer together. Four
 * connections: grants, heartbeats, ledger, and items that are handed in alone.
 */
export async function openRequestAuthority(options: OpenOptions): Promise<OpenedAuthority> {
	const { databaseUrl, gatewayId, journalFolder, fsyncMode, log, crashPoint } = options;
	const secret = readOrCreateSecret(options.idempotencyKeyFile);
	const cipher = createAnswerCipher(secret);
	const lock = await acquireIdentityLock(journalFolder, gatewayId);
	const ledgerConnection = new Connection({ url: databaseUrl, applicationName: `tollgate gateway ${gatewayId} ledger` });
	const sql = withCrashPoints(ledgerConnection, crashPoint);
	const adopter = openAdopter(sql, { journalFolder, log });
	await adopter.adoptNow();
	const { epoch, revision, bootId } = await registerEpoch(sql, { gatewayId, journalFolder, fsyncMode });
	const journal = await openJournal({ folder: journalFolder, gatewayId, epoch, bootId, fsyncMode });
	adopter.start();

	const opaqueUserId = createOpaqueUserIds(secret);
	const deferred = openDeferred({ databaseUrl, gatewayId, sql, opaqueUserId });
	const asking = openAsking({ url: databaseUrl, gatewayId });
	let writer: CountedWriter | undefined;
	let runs: OpenedRuns | undefined;
	const ledgerWatch = watchLedger(log);
	const onAuthorityError = (error: unknown): void => log.warn({ err: error }, "the budget authority did not answer");
	const authority = await createRequestAuthority({
		gatewayId,
		epoch,
		revision,
		authority: createPostgresAuthority({ url: databaseUrl, gatewayId, epoch, asking }),
		rateAuthority: createPostgresRates({ asking, gatewayId, epoch }),
		journal,
		opaqueUserId,
		createRuns: (leases, policyOf) => {
			runs = openRuns({ sql: asking, gatewayId, epoch, leases, policyOf, writer: () => writer ?? unopened("ledger writer"), onError: onAuthorityError });
			return runs.calls;
		},
		createWriter: (onNews) => {
			const carried = runs && { runs: runs.flushes };
			writer = countRows(createLedgerWriter({ sql, gatewayId, epoch, journal, ...carried, ...ledgerWatch.events(onNews) }));
			return writer;
		},
		loadPriceBook: () => readCurrentPriceBook(ledgerConnection.unprepared),
		loadPolicy: async () => options.onAliases?.(await readModelAliases(ledgerConnection.unprepared)),
		onDrained: async (isClean) => {
			await adopter.stop();
			if (isClean) await closeEpoch(sql, { gatewayId, epoch }, "drained");
			journal.close();
			if (isClean) journal.remove();
			await Promise.all([ledgerConnection.close(), deferred.close()]);
			lock.release();
		},
		onFenced: options.onFenced,
		onAlert: (alert, detail) => log.error({ alert, ...detail }, `alert: ${alert}`),
		onError: onAuthorityError,
		crashPoint,
	});
	const idempotentCalls = new IdempotentCalls({
		store: createPostgresIdempotencyStore({ asking, storing: sql }, { gatewayId, epoch }, cipher),
		onError: (error, { requestId, keyId }) => log.warn({ requestId, keyId, err: error }, "the record of an idempotent call could not be ended; trying again"),
	});
	return {
		authority,
		writer: writer ?? unopened("ledger writer"),
		ledgerFailingMs: ledgerWatch.failingMs,
		idempotentCalls,
		runs: runs ?? unopened("guard of agent runs"),
		batches: createPostgresBatchStore(sql),
		deferred,
	};
}

function openAdopter(sql: SqlConnection, { journalFolder, log }: Pick<OpenOptions, "journalFolder" | "log">): ReturnType<typeof createAdopter> {
	return createAdopter({
		sql,
		folder: journalFolder,
		onAdopted: ({ gatewayId, epoch, closedHow, replay }) => log.info({ gatewayId, epoch: epoch.toString(), closedHow, replay }, "adopted a journal"),
		onProblem: (journalOf, error) => log.warn({ gatewayId: journalOf, err: error }, "a journal could not be adopted yet"),
		onQuarantine: (row) => logQuarantined(log, row),
	});
}

function unopened(what: string): never {
	throw new Error(`the request layer made no ${what}`);
}

/** A new epoch. The lock on the folder proves that the boot named in it is gone, however short ago it was heard of. */
async function registerEpoch(
	sql: SqlConnection,
	{ gatewayId, journalFolder, fsyncMode }: Pick<OpenOptions, "gatewayId" | "journalFolder" | "fsyncMode">,
): Promise<{ epoch: bigint; revision: bigint; bootId: string }> {
	const bootFile = path.join(gatewayFolder(journalFolder, gatewayId), "boot");
	const provenDead = readLines(bootFile);
	const bootId = `${readMachineBootId()}/${process.pid}/${await readProcessStart(process.pid)}`;
	replaceFile(bootFile, `${[...provenDead.slice(-9), bootId].join("\n")}\n`);
	const epochFile = path.join(gatewayFolder(journalFolder, gatewayId), "epoch");
	const rows = await sql.query<{ reply: { epoch?: number; revision?: number; live?: number } }>(
		"register_gateway",
		"SELECT tollgate.register_gateway($1, $2, $3, $4::text[], $5) AS reply",
		[gatewayId, bootId, fsyncMode, provenDead, readLastEpoch(epochFile)],
	);
	const reply = rows[0]?.reply;
	if (reply?.epoch === undefined) {
		throw new Error(
			`Another process with the gateway identity "${gatewayId}" was heard of ${reply?.live ?? 0} ms ago. Give each gateway its own TOLLGATE_GATEWAY_ID, or wait 3 s if that one has just ended on another machine.`,
		);
	}
	// Before the first call: a restored database may not know of this epoch, and its attempt ids must not be given again.
	replaceFile(epochFile, `${reply.epoch}\n`);
	return { epoch: BigInt(reply.epoch), revision: BigInt(reply.revision ?? 0), bootId };
}

/** "0" before the first. @throws Error for a file that holds no epoch: guessing one would give attempt ids twice. */
function readLastEpoch(file: string): string {
	const text = readText(file) ?? "0";
	if (/^\d+\n?$/.test(text)) return text.trimEnd();
	throw new Error(`${file} is damaged, so the attempt ids this gateway has given are not known: give it a new TOLLGATE_GATEWAY_ID`);
}

function readLines(file: string): string[] {
	return (readText(file) ?? "").split("\n").filter(Boolean);
}

/** Undefined when there is no such file. */
function readText(file: string): string | undefined {
	try {
		return readFileSync(file, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
}

/** The ledger's statements pass the crash points around COMMIT. */
function withCrashPoints(sql: SqlConnection, crashPoint: (name: string) => void): SqlConnection {
	return {
		async query(name, text, values) {
			if (name !== "settle_chunk") return sql.query(name, text, values);
			crashPoint("before-flush");
			const answer = sql.query<never>(name, text, values);
			crashPoint("before-commit");
			const rows = await answer;
			crashPoint("after-commit");
			return rows;
		},
	};
}
