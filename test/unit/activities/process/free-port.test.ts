import { createServer } from "node:net";
import { expect, it } from "vitest";
import { findFreePort, firstPortOf, isPortFree } from "#activities/process/free-port.ts";

it("chooses below the ports that outgoing connections are given, which would take it before it is listened on", async () => {
	for (let round = 0; round < 20; round++) {
		const port = await findFreePort();
		expect(port).toBeGreaterThanOrEqual(20_000);
		expect(port).toBeLessThan(32_000);
	}
});

it("promises no port twice, though nobody listens on it yet", async () => {
	const ports = await Promise.all(Array.from({ length: 50 }, () => findFreePort()));
	expect(new Set(ports).size).toBe(50);
});

it("begins elsewhere in every process that was started beside, and in every thread", () => {
	const beginnings = Array.from({ length: 30 }, (_, later) => [firstPortOf(4_000_000 + later, 0), firstPortOf(4_000_000 + later, 1)]).flat();
	expect(new Set(beginnings).size).toBe(60);
	for (const port of beginnings) expect([port >= 20_000, port < 32_000]).toEqual([true, true]);
});

it("sees a port that is taken", async () => {
	const port = await findFreePort();
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
	expect(await isPortFree(port)).toBe(false);
	await new Promise((resolve) => server.close(resolve));
	expect(await isPortFree(port)).toBe(true);
});
