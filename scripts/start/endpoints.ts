import { rmSync } from "node:fs";
import path from "node:path";
import { readJsonIfPresent, writeJsonAtomically } from "./atomic-file.ts";

/** `endpoints.json` in the home: how scripts find a running system. URLs are origins, paths are absolute. */
export type Endpoints = {
	readonly gateway: string;
	readonly admin: string;
	/** The key itself. */
	readonly demoKey: string;
	readonly adminKeyFile: string;
	/** host:port */
	readonly temporalAddress: string;
	/** Null for a Temporal server of the user's own whose UI is not known. */
	readonly temporalUi: string | null;
	readonly databaseUrl: string;
	readonly provider: "simulated" | "real";
	readonly simulatedProvider: { readonly url: string; readonly callLog: string } | null;
	/** Null: not started by us, or between two lives. */
	readonly pids: {
		readonly start: number;
		readonly gateway: number | null;
		readonly gateways: readonly (number | null)[];
		readonly worker: number | null;
		readonly temporal: number | null;
		readonly postgres: number | null;
		readonly provider: number | null;
	};
};

const FILE = "endpoints.json";

export function writeEndpoints(home: string, endpoints: Endpoints): void {
	writeJsonAtomically(path.join(home, FILE), endpoints);
}

export function readEndpoints(home: string): Endpoints | null {
	return readJsonIfPresent(path.join(home, FILE)) as Endpoints | null;
}

export function removeEndpoints(home: string): void {
	rmSync(path.join(home, FILE), { force: true });
}
