import { readFileSync } from "node:fs";
import path from "node:path";
import { AdministrationClient } from "../administration-client.ts";
import { CommandFailure } from "./output.ts";
import { readNamedFile } from "./values.ts";

export type SystemOptions = {
	readonly home?: string | undefined;
	readonly adminUrl?: string | undefined;
	readonly adminKeyFile?: string | undefined;
};

/** The part of endpoints.json that the command line uses. */
type Endpoints = {
	readonly admin: string;
	readonly adminKeyFile: string;
	readonly demoKey: string;
	readonly databaseUrl: string;
	readonly temporalAddress: string;
};

const CLONE = path.join(import.meta.dirname, "../..");
const NOT_REACHABLE = 3;

/** `--home`, else TOLLGATE_HOME, else .tollgate in the clone. */
export function homeOf(options: SystemOptions, environment: Readonly<Record<string, string | undefined>>): string {
	return path.resolve(options.home ?? (environment["TOLLGATE_HOME"] || path.join(CLONE, ".tollgate")));
}

/** @throws CommandFailure with exit code 3 when no system runs at this home. */
export function readEndpoints(home: string): Endpoints {
	const file = path.join(home, "endpoints.json");
	try {
		return JSON.parse(readFileSync(file, "utf8")) as Endpoints;
	} catch (error) {
		const reason =
			(error as NodeJS.ErrnoException).code === "ENOENT" ? "does not exist" : `cannot be read (${error instanceof Error ? error.message : String(error)})`;
		throw new CommandFailure(NOT_REACHABLE, `No running system found: ${file} ${reason}. Start one with npm start, or name its home with --home.`);
	}
}

/** The administration API of the system that the options, the environment or the clone name. */
export function connectToSystem(options: SystemOptions, environment: Readonly<Record<string, string | undefined>>): SystemConnection {
	const named = {
		adminUrl: options.adminUrl === undefined ? undefined : readOrigin(options.adminUrl),
		adminKey: options.adminKeyFile === undefined ? undefined : readNamedFile(options.adminKeyFile, "--admin-key-file").trim(),
	};
	if (named.adminUrl !== undefined && named.adminKey !== undefined && options.adminKeyFile !== undefined)
		return { client: new AdministrationClient({ adminUrl: named.adminUrl, adminKey: named.adminKey }), adminKeyFile: options.adminKeyFile };
	const endpoints = readEndpoints(homeOf(options, environment));
	const adminKey = named.adminKey ?? readKeyFile(endpoints.adminKeyFile);
	return {
		client: new AdministrationClient({ adminUrl: named.adminUrl ?? endpoints.admin, adminKey }),
		adminKeyFile: options.adminKeyFile ?? endpoints.adminKeyFile,
	};
}

/** `adminKeyFile`: where the key came from. */
type SystemConnection = { readonly client: AdministrationClient; readonly adminKeyFile: string };

function readOrigin(text: string): string {
	if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text.replace(/\/+$/, "");
	throw new CommandFailure(2, `--admin-url: ${JSON.stringify(text)} is no URL like http://127.0.0.1:4001`);
}

function readKeyFile(file: string): string {
	try {
		return readFileSync(file, "utf8").trim();
	} catch (error) {
		throw new CommandFailure(
			NOT_REACHABLE,
			`The admin key file ${file} cannot be read (${error instanceof Error ? error.message : String(error)}); the file of another key is named with --admin-key-file FILE.`,
		);
	}
}
