import { isObject, type JsonObject } from "./json.ts";
import type { ProviderState } from "./provider-state.ts";
import { checkFaultRates, type Pace, SettingsError } from "./settings.ts";

/**
 * The endpoints tests steer with, loopback only:
 * `GET /simulator/state`, `POST /simulator/release {name?}` (without a name: all that wait now),
 * `POST /simulator/faults {rates, retryAfterSeconds?}` (replaces the rates),
 * `POST /simulator/pace {latencyMs?, tokensPerSecond?}` (0 tokens per second: without a limit).
 */
export type ControlAnswer = { readonly status: number; readonly body: JsonObject };

const LOOPBACK = new Set(["127.0.0.1", "::1", "::ffff:127.0.0.1"]);

export function isLoopback(address: string | undefined): boolean {
	return address !== undefined && LOOPBACK.has(address);
}

export function control(state: ProviderState, method: string, path: string, body: JsonObject): ControlAnswer {
	switch (`${method} ${path}`) {
		case "GET /simulator/state":
			return { status: 200, body: describe(state) };
		case "POST /simulator/release":
			return { status: 200, body: { released: state.holds.release(typeof body["name"] === "string" ? body["name"] : undefined) } };
		case "POST /simulator/faults":
			return change(state, () => setFaults(state, body));
		case "POST /simulator/pace":
			return change(state, () => setPace(state, body));
		default:
			return { status: 404, body: { error: `no such control endpoint: ${method} ${path}` } };
	}
}

function describe(state: ProviderState): JsonObject {
	const { latencyMs, tokensPerSecond } = state.pace;
	const held = state.holds.counts();
	return {
		simulated: true,
		inFlight: state.inFlight,
		held: Object.values(held).reduce((sum, count) => sum + count, 0),
		heldByName: held,
		totalRequests: state.totalRequests,
		billedCalls: state.billedCalls,
		statusCounts: state.statusCounts,
		faultRates: state.faultRates,
		retryAfterSeconds: state.retryAfterSeconds ?? null,
		pace: { latencyMs, tokensPerSecond: tokensPerSecond === Number.POSITIVE_INFINITY ? 0 : tokensPerSecond },
		callLog: state.log.path,
	};
}

function change(state: ProviderState, apply: () => void): ControlAnswer {
	try {
		apply();
	} catch (error) {
		if (error instanceof SettingsError) return { status: 400, body: { error: error.message } };
		throw error;
	}
	return { status: 200, body: describe(state) };
}

function setFaults(state: ProviderState, body: JsonObject): void {
	const { rates, retryAfterSeconds } = body;
	const checked = checkFaultRates(rates);
	state.retryAfterSeconds = retryAfterSeconds === undefined ? undefined : readNumber("retryAfterSeconds", retryAfterSeconds);
	state.faultRates = checked;
}

function setPace(state: ProviderState, body: JsonObject): void {
	const latencyMs = body["latencyMs"] === undefined ? state.pace.latencyMs : readNumber("latencyMs", body["latencyMs"]);
	const speed = body["tokensPerSecond"] === undefined ? state.pace.tokensPerSecond : readNumber("tokensPerSecond", body["tokensPerSecond"]);
	const pace: Pace = { latencyMs, tokensPerSecond: speed === 0 ? Number.POSITIVE_INFINITY : speed };
	state.pace = pace;
}

function readNumber(field: string, value: unknown): number {
	if (typeof value !== "number" || !(value >= 0)) throw new SettingsError(`${field} must be a number of at least 0`);
	return value;
}

/** A control body; the empty one is an empty object. undefined when it is no JSON object. */
export function readControlBody(bytes: Buffer): JsonObject | undefined {
	if (bytes.length === 0) return {};
	try {
		const value: unknown = JSON.parse(bytes.toString());
		return isObject(value) ? value : undefined;
	} catch {
		return undefined;
	}
}
