import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/** Below every system's range of ports for outgoing connections, so that none of those takes the port before it is listened on. */
const LOWEST = 20_000;
const HIGHEST = 32_000;
const ATTEMPTS = 1_000;

/** A loopback port that was free a moment ago. @throws Error when nearly all of the range is taken. */
export async function findFreePort(): Promise<number> {
	for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
		const port = randomInt(LOWEST, HIGHEST);
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
