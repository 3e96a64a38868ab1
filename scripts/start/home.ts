import { linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isRunning, type ProcessIdentity, readProcessStart } from "#activities/process/identity.ts";
import { readJsonIfPresent, writeJsonAtomically } from "./atomic-file.ts";
import { endProcess, type Service } from "./service.ts";

export type RecordedProcess = ProcessIdentity & { readonly name: string };

const LOCK_FILE = "start.lock";
const RECORD_FILE = "processes.json";
const ORPHAN_STOP_STEPS: Service["stopSteps"] = [
	["SIGTERM", 3_000],
	["SIGKILL", 3_000],
];

/** Fast shutdown, then immediate: postgres(1). */
export const DATABASE_STOP_STEPS: Service["stopSteps"] = [
	["SIGINT", 2_000],
	["SIGQUIT", 500],
	["SIGKILL", 500],
];

/**
 * Takes the home for this process.
 *
 * @returns null, or the process that already runs the system of this home.
 */
export async function takeHome(home: string): Promise<ProcessIdentity | null> {
	mkdirSync(path.join(home, "logs"), { recursive: true, mode: 0o700 });
	const startedAt = await readProcessStart(process.pid);
	const draft = path.join(home, `${LOCK_FILE}.${process.pid}`);
	writeFileSync(draft, JSON.stringify({ pid: process.pid, startedAt }), { mode: 0o600 });
	try {
		for (;;) {
			if (linkIfAbsent(draft, path.join(home, LOCK_FILE))) return null;
			const holder = readJsonIfPresent(path.join(home, LOCK_FILE)) as ProcessIdentity | null;
			if (holder !== null && (await isRunning(holder))) return holder;
			if (holder !== null) removeStaleLock(home, holder);
		}
	} finally {
		rmSync(draft, { force: true });
	}
}

export function leaveHome(home: string): void {
	rmSync(path.join(home, RECORD_FILE), { force: true });
	rmSync(path.join(home, LOCK_FILE), { force: true });
}

/** The children that are to be ended, should this process not come to it. */
export function recordProcesses(home: string, processes: readonly RecordedProcess[]): void {
	writeJsonAtomically(path.join(home, RECORD_FILE), processes);
}

/** Ends what a start that was killed has left running. Only the very processes it recorded: by number and start time. */
export async function endOrphans(home: string): Promise<readonly string[]> {
	const recorded = (readJsonIfPresent(path.join(home, RECORD_FILE)) ?? []) as readonly RecordedProcess[];
	const orphans: RecordedProcess[] = [];
	for (const entry of recorded) if (await isRunning(entry)) orphans.push(entry);
	// The database last: the others still write to it.
	for (const isDatabase of [false, true]) {
		const wave = orphans.filter((orphan) => (orphan.name === "postgres") === isDatabase);
		await Promise.all(wave.map((orphan) => endProcess(orphan, isDatabase ? DATABASE_STOP_STEPS : ORPHAN_STOP_STEPS)));
	}
	return orphans.map((orphan) => orphan.name);
}

/** A link appears with its content, so no one reads a lock that is half written. */
function linkIfAbsent(draft: string, lock: string): boolean {
	try {
		linkSync(draft, lock);
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
		throw error;
	}
}

/** Moves the lock aside first: two starts that both found it stale must not remove the one the other has just made. */
function removeStaleLock(home: string, stale: ProcessIdentity): void {
	const lock = path.join(home, LOCK_FILE);
	const aside = path.join(home, `${LOCK_FILE}.stale.${process.pid}`);
	try {
		renameSync(lock, aside);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
		throw error;
	}
	const moved = readJsonIfPresent(aside) as ProcessIdentity | null;
	if (moved !== null && (moved.pid !== stale.pid || moved.startedAt !== stale.startedAt)) linkIfAbsent(aside, lock);
	rmSync(aside, { force: true });
}
