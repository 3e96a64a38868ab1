import path from "node:path";
import { findFreePort, isPortFree } from "#activities/process/free-port.ts";
import type { Settings } from "#config/load.ts";
import { defaultProviderTable, offerWithKeysOnly } from "#config/providers.ts";

/** Entry files of the children: the injectable part of a start. */
export type Entries = {
	readonly provider: string;
	readonly worker: string;
	readonly gateway: string;
	/** Builds the console; default: it is not built. */
	readonly consoleBuild?: string;
};

/** Settings with every port decided, for the whole life of this start. */
export type Plan = {
	readonly settings: Settings;
	readonly entries: Entries;
	readonly ports: {
		readonly gateway: number;
		readonly admin: number;
		readonly postgres: number;
		readonly temporal: number;
		readonly temporalUi: number;
		readonly provider: number;
	};
	readonly gatewayIds: readonly string[];
	/** Names of the variables that make the providers real; empty = simulated. */
	readonly realProviders: readonly string[];
	/** Official providers that are left out beside them, because their key is not set. */
	readonly missingKeys: readonly string[];
};

/** A start that cannot go on for a reason a person can remove; the message says how. */
export class StartError extends Error {
	override readonly name = "StartError";
}

const PROJECT_FOLDER = path.join(import.meta.dirname, "../..");

export const PRODUCT_ENTRIES: Entries = {
	provider: path.join(PROJECT_FOLDER, "simulator/main.ts"),
	worker: path.join(PROJECT_FOLDER, "workers/main.ts"),
	gateway: path.join(PROJECT_FOLDER, "gateway/main.ts"),
	consoleBuild: path.join(PROJECT_FOLDER, "scripts/build-console.ts"),
};

/** @throws StartError naming a port that is taken and the variable that moves it. */
export async function planStart(settings: Settings, entries: Entries): Promise<Plan> {
	const realProviders = listRealProviders(settings);
	const isSimulating = realProviders.length === 0 && settings.simulatedProviderUrl === null;
	const chosen = new Set<number>();
	const choose = async (variable: string, port: number, isNeeded = true): Promise<number> => {
		if (!isNeeded) return port;
		if (port !== 0 && !chosen.has(port) && !(await isPortFree(port))) throw new StartError(describeTakenPort(variable, port));
		if (port !== 0 && chosen.has(port))
			throw new StartError(`Port ${port} is given to two parts of the system. Set ${variable} to another port, or to 0 to take a free one.`);
		let decided = port;
		while (decided === 0 || chosen.has(decided)) decided = await findFreePort();
		chosen.add(decided);
		return decided;
	};
	return {
		settings,
		entries,
		realProviders,
		missingKeys: realProviders.length === 0 ? [] : listMissingKeys(settings),
		gatewayIds: Array.from({ length: settings.gatewayCount }, (_, index) => nameGateway(settings.gatewayId, index)),
		ports: {
			gateway: await choose("TOLLGATE_GATEWAY_PORT", settings.gatewayPort),
			admin: await choose("TOLLGATE_ADMIN_PORT", settings.adminPort),
			postgres: await choose("TOLLGATE_POSTGRES_PORT", settings.postgresPort, settings.databaseUrl === null),
			temporal: await choose("TOLLGATE_TEMPORAL_PORT", settings.temporalPort, settings.temporalAddress === null),
			temporalUi: await choose("TOLLGATE_TEMPORAL_UI_PORT", settings.temporalUiPort, settings.temporalAddress === null),
			provider: await choose("TOLLGATE_PROVIDER_PORT", settings.providerPort, isSimulating),
		},
	};
}

function listRealProviders(settings: Settings): string[] {
	const given: readonly [string, unknown][] = [
		["OPENAI_API_KEY", settings.openaiApiKey],
		["ANTHROPIC_API_KEY", settings.anthropicApiKey],
		["TOLLGATE_PROVIDERS_FILE", settings.providersFile],
	];
	return given.filter(([, value]) => value !== null).map(([name]) => name);
}

function listMissingKeys(settings: Settings): string[] {
	if (settings.providersFile !== null) return [];
	const { providers } = defaultProviderTable({
		openaiBaseUrl: settings.openaiBaseUrl,
		openaiKey: settings.openaiApiKey ?? undefined,
		anthropicBaseUrl: settings.anthropicBaseUrl,
		anthropicKey: settings.anthropicApiKey ?? undefined,
	});
	return offerWithKeysOnly({ providers, aliases: undefined }).withoutKey?.map(({ keyVariable }) => keyVariable) ?? [];
}

function nameGateway(first: string, index: number): string {
	if (index === 0) return first;
	return first === "g1" ? `g${index + 1}` : `${first}_${index + 1}`;
}

function describeTakenPort(variable: string, port: number): string {
	return `Port ${port} is taken by another program. End that program, or set ${variable} to another port, or to 0 to take a free one, and start again.`;
}
