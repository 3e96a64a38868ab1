import { createServer } from "node:net";
import { expect, it } from "vitest";
import { findFreePort, isPortFree } from "#activities/process/free-port.ts";

it("chooses below the ports that outgoing connections are given, which would take it before it is listened on", async () => {
	for (let round = 0; round < 20; round++) {
		const port = await findFreePort();
		expect(port).toBeGreaterThanOrEqual(20_000);
		expect(port).toBeLessThan(32_000);
	}
});

it("sees a port that is taken", async () => {
	const port = await findFreePort();
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
	expect(await isPortFree(port)).toBe(false);
	await new Promise((resolve) => server.close(resolve));
	expect(await isPortFree(port)).toBe(true);
});
