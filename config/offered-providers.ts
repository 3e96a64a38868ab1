import { readFileSync } from "node:fs";
import type { Settings } from "./load.ts";
import { defaultProviderTable, loadProviderTable, offerWithKeysOnly, type ProviderTable, providersFileSchema, withSimulatedProvider } from "./providers.ts";

/** The providers that the settings name, with their keys: of the file, else those whose keys are given, else a simulated one in the place of all. */
export function readOfferedProviders(settings: Settings): ProviderTable {
	const { simulatedProviderUrl, providersFile } = settings;
	const simulatorKey = settings.simulatorKey ?? undefined;
	if (providersFile !== null) {
		const table = loadProviderTable(providersFile);
		return simulatedProviderUrl === null ? table : withSimulatedProvider(table, simulatedProviderUrl, simulatorKey);
	}
	const table = defaultProviderTable({
		openaiBaseUrl: settings.openaiBaseUrl,
		openaiKey: settings.openaiApiKey ?? undefined,
		anthropicBaseUrl: settings.anthropicBaseUrl,
		anthropicKey: settings.anthropicApiKey ?? undefined,
	});
	return simulatedProviderUrl === null ? offerWithKeysOnly(table) : withSimulatedProvider(table, simulatedProviderUrl, simulatorKey);
}

/** The variables in which the file's providers have their keys. What is wrong with the file is for those to say who take providers from it. */
export function listKeyVariables(providersFile: string): readonly string[] {
	const parsed = providersFileSchema.safeParse(parseJson(providersFile));
	return parsed.success ? Object.values(parsed.data.providers).flatMap(({ keyEnv }) => keyEnv ?? []) : [];
}

function parseJson(file: string): unknown {
	try {
		return JSON.parse(readFileSync(file, "utf8"));
	} catch {
		return undefined; // loadProviderTable says what is wrong
	}
}
