import type { Server } from "node:http";
import { type AddressInfo, isIPv6 } from "node:net";
import { CallLog } from "./call-log.ts";
import { ProviderState } from "./provider-state.ts";
import { createSimulatorServer } from "./server.ts";
import { readSettings, type Settings, SettingsError } from "./settings.ts";

/**
 * The simulated provider as a process. Prints one line on stdout when it listens:
 * `{"event":"listening","simulated":true,"url":"http://127.0.0.1:PORT","callLog":"/…"}`.
 * SIGTERM or SIGINT: calls in flight get a second, the rest is cut and billed for what was generated.
 */

const DRAIN_MS = 1_000;

function main(): void {
	const settings = settingsOrExit();
	const log = new CallLog(settings.callLogPath);
	const state = new ProviderState(log, settings);
	const server = createSimulatorServer(state, settings);
	server.once("error", (error) => exitWith(`cannot listen on ${settings.host}:${settings.port}: ${error.message}`));
	server.listen(settings.port, settings.host, () => {
		const { port } = server.address() as AddressInfo;
		process.stdout.write(`${JSON.stringify({ event: "listening", simulated: true, url: originOf(settings.host, port), callLog: log.path })}\n`);
	});
	const stop = () => stopServer(server);
	process.once("SIGTERM", stop);
	process.once("SIGINT", stop);
}

/** A wildcard is no address to call, and IPv6 stands in brackets. */
function originOf(host: string, port: number): string {
	const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
	return `http://${isIPv6(reachable) ? `[${reachable}]` : reachable}:${port}`;
}

function settingsOrExit(): Settings {
	try {
		return readSettings(process.env);
	} catch (error) {
		if (error instanceof SettingsError) return exitWith(error.message);
		throw error;
	}
}

/** The process ends by itself once nothing is left to do: a cut call bills itself when its response closes, after the server reports closed. */
function stopServer(server: Server): void {
	const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
	server.close(() => clearTimeout(cut));
	server.closeIdleConnections();
}

function exitWith(message: string): never {
	process.stderr.write(`simulated provider: ${message}\n`);
	process.exit(2);
}

main();
