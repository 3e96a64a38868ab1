import { resolve } from "node:path";
import { isFault } from "./directive.ts";
import { isObject } from "./json.ts";

/** Everything a simulated provider is started with. */
export type Settings = {
	readonly host: string;
	/** 0 takes a free port. */
	readonly port: number;
	/** Absolute path of the append-only call log. */
	readonly callLogPath: string;
	/** When set, every model call must carry this key. */
	readonly requiredKey: string | undefined;
	readonly pace: Pace;
	readonly faultRates: FaultRates;
	/** Seed of the dice behind the fault rates. */
	readonly seed: number;
	readonly maximumBodyBytes: number;
};

export type Pace = {
	/** From the request's last byte to the first token. */
	readonly latencyMs: number;
	/** Of one answer; Infinity means at once. */
	readonly tokensPerSecond: number;
};

/** Share of calls (0 to 1) by fault name or by HTTP status, e.g. `{"cut_mid_stream": 0.01, "429": 0.05}`. */
export type FaultRates = Readonly<Record<string, number>>;

/** Wrong settings, all of them in one message. */
export class SettingsError extends Error {
	override readonly name = "SettingsError";
}

/** 1,000 tokens take about 0.5 s: quick for a person who pastes a curl, slow enough to see a stream. */
const DEFAULT_PACE: Pace = { latencyMs: 20, tokensPerSecond: 2_000 };
const DEFAULT_MAXIMUM_BODY_BYTES = 64 * 1024 * 1024;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings from the environment. Throws SettingsError listing every mistake.
 * `TOLLGATE_SIMULATOR_TOKENS_PER_SECOND=0` means without a limit.
 */
export function readSettings(environment: Environment): Settings {
	const mistakes: string[] = [];
	const number = (name: string, fallback: number, isAcceptable: (value: number) => boolean): number => {
		const text = environment[name];
		if (text === undefined || text === "") return fallback;
		const value = Number(text);
		if (Number.isFinite(value) && isAcceptable(value)) return value;
		mistakes.push(`${name}: not acceptable: ${JSON.stringify(text)}`);
		return fallback;
	};
	const isCount = (value: number) => Number.isInteger(value) && value >= 0;
	const tokensPerSecond = number("TOLLGATE_SIMULATOR_TOKENS_PER_SECOND", DEFAULT_PACE.tokensPerSecond, (value) => value >= 0);
	const settings: Settings = {
		host: environment["TOLLGATE_SIMULATOR_HOST"] || "127.0.0.1",
		port: number("TOLLGATE_PROVIDER_PORT", 0, (value) => isCount(value) && value <= 65_535),
		callLogPath: resolve(environment["TOLLGATE_PROVIDER_CALL_LOG"] || ".tollgate/provider-calls.jsonl"),
		requiredKey: environment["TOLLGATE_SIMULATOR_KEY"] || undefined,
		pace: {
			latencyMs: number("TOLLGATE_SIMULATOR_LATENCY_MS", DEFAULT_PACE.latencyMs, (value) => value >= 0),
			tokensPerSecond: tokensPerSecond === 0 ? Number.POSITIVE_INFINITY : tokensPerSecond,
		},
		faultRates: readFaultRates(environment["TOLLGATE_SIMULATOR_FAULT_RATES"], mistakes),
		seed: number("TOLLGATE_SIMULATOR_SEED", 1, isCount),
		maximumBodyBytes: number("TOLLGATE_SIMULATOR_MAXIMUM_BODY_BYTES", DEFAULT_MAXIMUM_BODY_BYTES, (value) => isCount(value) && value > 0),
	};
	if (mistakes.length > 0) throw new SettingsError(mistakes.join("\n"));
	return settings;
}

function readFaultRates(text: string | undefined, mistakes: string[]): FaultRates {
	if (text === undefined || text === "") return {};
	try {
		return checkFaultRates(JSON.parse(text));
	} catch (error) {
		mistakes.push(`TOLLGATE_SIMULATOR_FAULT_RATES: ${(error as Error).message}`);
		return {};
	}
}

/** Throws SettingsError when a name is neither a fault nor a status, a share is not 0 to 1, or the shares pass 1 together. */
export function checkFaultRates(value: unknown): FaultRates {
	if (!isObject(value)) throw new SettingsError("fault rates: expected an object of shares by fault name or status");
	let sum = 0;
	for (const [name, share] of Object.entries(value)) {
		if (!isFault(name) && !/^[45]\d\d$/.test(name)) throw new SettingsError(`fault rates: unknown fault ${name}`);
		if (typeof share !== "number" || !(share >= 0 && share <= 1)) throw new SettingsError(`fault rates: ${name} must be between 0 and 1`);
		sum += share;
	}
	if (sum > 1) throw new SettingsError("fault rates: the shares are more than 1 together");
	return value as FaultRates;
}
