import { mkdtemp, readdir, rm, statfs } from "node:fs/promises";
import path from "node:path";
import { isRunning, readProcessStart } from "#activities/process/identity.ts";

const MEMORY = "/dev/shm";
const PREFIX = "tollgate-test-";
/** What the databases of a run take at their peak, twice. */
const NEEDED_BYTES = 2 * 2 ** 30;

/**
 * A folder in memory for the test databases: one is made in a tenth of the time it takes on a disk. Null where there is no
 * such place, or too little of it (a container has 64 MB). What runs that were killed left there goes first.
 */
export async function makeMemoryFolder(): Promise<string | null> {
	if (process.platform !== "linux") return null;
	await removeForgotten();
	if (!(await hasRoom())) return null;
	const startedAt = await readProcessStart(process.pid);
	return mkdtemp(path.join(MEMORY, `${PREFIX}${process.pid}-${startedAt}-`));
}

async function hasRoom(): Promise<boolean> {
	try {
		const { bavail, bsize } = await statfs(MEMORY);
		return bavail * bsize >= NEEDED_BYTES;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
		throw error;
	}
}

/** Memory is given back by nobody else. A folder's name says whose it is. */
async function removeForgotten(): Promise<void> {
	for (const name of await readdir(MEMORY).catch(() => [])) {
		const [, pid, startedAt] = /^tollgate-test-(\d+)-(\d+)-/.exec(name) ?? [];
		if (pid === undefined || startedAt === undefined) continue;
		if (!(await isRunning({ pid: Number(pid), startedAt }))) await rm(path.join(MEMORY, name), { recursive: true, force: true });
	}
}
