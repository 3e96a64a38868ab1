import { createServer } from "node:net";

/** A loopback port that was free a moment ago. */
export async function findFreePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((resolve, reject) => {
		server.once("error", reject);
		server.listen(0, "127.0.0.1", resolve);
	});
	const address = server.address();
	await new Promise((resolve) => server.close(resolve));
	if (address === null || typeof address === "string") throw new Error("a TCP listener has no port");
	return address.port;
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
