import { createServer } from "node:net";
import { threadId } from "node:worker_threads";

/** Below every system's range of ports for outgoing connections, so that none of those takes the port before it is listened on. */
const LOWEST = 20_000;
const HIGHEST = 32_000;
/** So far apart begin those that look side by side; nobody asks for as many ports before they are listened on. */
const PORTS_APART = 100;
const THREADS_APART = 37;

let next = firstPortOf(process.pid, threadId);

/** Where a thread begins to look: a port that is promised and not yet listened on looks free to everybody else. */
export function firstPortOf(pid: number, thread: number): number {
	return LOWEST + ((pid + thread * THREADS_APART) % ((HIGHEST - LOWEST) / PORTS_APART)) * PORTS_APART;
}

/** A loopback port that was free a moment ago, and that this thread was not given before. @throws Error when all of the range is taken. */
export async function findFreePort(): Promise<number> {
	for (let looked = LOWEST; looked < HIGHEST; looked += 1) {
		const port = next;
		next = port + 1 < HIGHEST ? port + 1 : LOWEST;
		if (await isPortFree(port)) return port;
	}
	throw new Error(`no free port between ${LOWEST} and ${HIGHEST}`);
}

/** True when nothing listens on this loopback port, at this moment. */
export async function isPortFree(port: number): Promise<boolean> {
	const server = createServer();
	try {
		await new Promise<void>((resolve, reject) => {
			server.once("error", reject);
			server.listen(port, "127.0.0.1", resolve);
		});
	} catch (error) {
		const code = (error as NodeJS.ErrnoException).code;
		if (code === "EADDRINUSE" || code === "EACCES") return false;
		throw error;
	}
	await new Promise((resolve) => server.close(resolve));
	return true;
}
