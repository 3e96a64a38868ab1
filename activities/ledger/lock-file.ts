import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isRunning, readProcessStart } from "../process/identity.ts";
import { gatewayFolder } from "./journal-files.ts";
import { readMachineBootId } from "./machine-boot-id.ts";

/** The process that holds a lock. A process of an earlier boot, or with another start time, is gone. */
export type LockHolder = { readonly pid: number; readonly startedAt: string; readonly machineBootId: string };

export type Lock = { release(): void };

/** A live process holds the lock. */
export class LockHeldError extends Error {
	override readonly name = "LockHeldError";
	readonly holder: LockHolder;

	constructor(what: string, holder: LockHolder) {
		super(`${what} is held by process ${holder.pid}, which is running; a second process with a live holder's identity must not start`);
		this.holder = holder;
	}
}

type LockContent = { readonly holder: LockHolder | null };

/**
 * Makes this process the only one with a gateway's identity on this folder. A holder that is gone is taken over.
 * Throws LockHeldError when it lives.
 */
export function acquireIdentityLock(folder: string, gatewayId: string): Promise<Lock> {
	const gatewayPath = gatewayFolder(folder, gatewayId);
	mkdirSync(gatewayPath, { recursive: true });
	return acquireLock(gatewayPath, "lock");
}

/** The holder of a gateway's identity while it runs; undefined when nobody does. */
export async function findIdentityHolder(folder: string, gatewayId: string): Promise<LockHolder | undefined> {
	const gatewayPath = gatewayFolder(folder, gatewayId);
	const generation = newestGeneration(gatewayPath, "lock");
	const holder = generation === 0 ? null : readHolder(lockFile(gatewayPath, "lock", generation));
	return holder && (await isHolderAlive(holder)) ? holder : undefined;
}

/**
 * Each change of hands is a new file `<name>.<generation>`, made by an exclusive link, and the newest is never deleted:
 * nobody ever removes a file that another process may have just made its own. Throws LockHeldError.
 */
export async function acquireLock(directory: string, name: string): Promise<Lock> {
	const self = await identifySelf();
	for (;;) {
		const newest = newestGeneration(directory, name);
		const holder = newest === 0 ? null : readHolder(lockFile(directory, name, newest));
		if (holder && (await isHolderAlive(holder))) throw new LockHeldError(path.join(directory, name), holder);
		if (!linkContent(directory, name, newest + 1, { holder: self })) continue;
		if (newestGeneration(directory, name) !== newest + 1) {
			// Chosen from a list that was out of date: a later generation exists, ours never counted.
			rmSync(lockFile(directory, name, newest + 1), { force: true });
			continue;
		}
		deleteOlder(directory, name, newest + 1);
		return { release: () => releaseLock(directory, name, newest + 1) };
	}
}

/** Same process: same boot of the machine, same number, same start time. */
export async function isHolderAlive(holder: LockHolder): Promise<boolean> {
	return holder.machineBootId === readMachineBootId() && (await isRunning(holder));
}

async function identifySelf(): Promise<LockHolder> {
	const startedAt = await readProcessStart(process.pid);
	if (startedAt === null) throw new Error("the start time of this process cannot be read");
	return { pid: process.pid, startedAt, machineBootId: readMachineBootId() };
}

function releaseLock(directory: string, name: string, generation: number): void {
	if (newestGeneration(directory, name) !== generation) return;
	linkContent(directory, name, generation + 1, { holder: null });
	deleteOlder(directory, name, generation + 1);
}

/** False when that generation exists already. A link shows the file only with its content complete. */
function linkContent(directory: string, name: string, generation: number, content: LockContent): boolean {
	const draft = path.join(directory, `.${name}.${process.pid}.${process.hrtime.bigint()}`);
	writeFileSync(draft, JSON.stringify(content), { mode: 0o600, flag: "wx" });
	try {
		linkSync(draft, lockFile(directory, name, generation));
		return true;
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
		throw error;
	} finally {
		rmSync(draft, { force: true });
	}
}

function lockFile(directory: string, name: string, generation: number): string {
	return path.join(directory, `${name}.${generation}`);
}

function generations(directory: string, name: string): number[] {
	const prefix = `${name}.`;
	return readdirSync(directory)
		.filter((file) => file.startsWith(prefix) && /^[1-9][0-9]*$/.test(file.slice(prefix.length)))
		.map((file) => Number(file.slice(prefix.length)));
}

function newestGeneration(directory: string, name: string): number {
	return Math.max(0, ...generations(directory, name));
}

function deleteOlder(directory: string, name: string, than: number): void {
	for (const generation of generations(directory, name)) {
		if (generation < than) rmSync(lockFile(directory, name, generation), { force: true });
	}
}

/**
 * A generation that vanished while we looked was followed by a newer one, which decides. One without readable content was
 * cut by a crash of the machine: its holder did not survive that.
 */
function readHolder(file: string): LockHolder | null {
	let text: string;
	try {
		text = readFileSync(file, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
		throw error;
	}
	try {
		return (JSON.parse(text) as LockContent).holder;
	} catch {
		return null;
	}
}
