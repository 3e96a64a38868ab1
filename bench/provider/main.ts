import type { AddressInfo } from "node:net";
import { LaneServer } from "./lane-server.ts";
import { callLogOf, type ProviderAnswer, type ProviderOrder, type ProviderReport } from "./messages.ts";

/**
 * The bench provider as a process: one server per lane named on the command line, after the folder of the call logs. Says over IPC
 * where each listens, takes a new mode for all of them, and ends with its parent.
 */
const [, , folder = "", ...lanes] = process.argv;
const servers = new Map(lanes.map((lane) => [lane, new LaneServer(callLogOf(folder, lane))]));
for (const { server } of servers.values()) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 4_096, resolve));

process.on("message", ({ mode }: ProviderOrder) => {
	for (const lane of servers.values()) lane.mode = mode;
	process.send?.({ billed: Object.fromEntries([...servers].map(([name, { billed }]) => [name, billed])) } satisfies ProviderAnswer);
});
process.once("disconnect", () => process.exit(0));
// A Ctrl-C in the terminal is for the bench, which ends its processes in order.
process.on("SIGINT", () => undefined);
const ports = Object.fromEntries([...servers].map(([name, { server }]) => [name, (server.address() as AddressInfo).port]));
process.send?.({ ports } satisfies ProviderReport);
