import { randomBytes } from "node:crypto";
import type { BilledCall, CallLog } from "./call-log.ts";
import { type Fault, isFault } from "./directive.ts";
import { Holds } from "./holds.ts";
import { ResponseMemory } from "./openai/response-memory.ts";
import { PromptCache } from "./prompt-cache.ts";
import type { FaultRates, Pace, Settings } from "./settings.ts";
import { randomSequence } from "./text.ts";

const UINT32 = 0x1_0000_0000;

/** What all calls of one simulated provider share; what the control endpoints show and change. */
export class ProviderState {
	readonly log: CallLog;
	readonly holds = new Holds();
	readonly cache = new PromptCache();
	readonly responses = new ResponseMemory();
	pace: Pace;
	faultRates: FaultRates;
	/** For statuses 429, 503 and 529 drawn by rate; undefined sends no such header. */
	retryAfterSeconds: number | undefined;
	inFlight = 0;
	/** Requests to model endpoints, billed or not. */
	totalRequests = 0;
	billedCalls = 0;
	readonly statusCounts: Record<string, number> = {};
	readonly #nextRandom: () => number;
	/** New at every start, so that ids never repeat in an appended log. */
	readonly #bootId = randomBytes(6).toString("hex");
	#lastCall = 0;

	constructor(log: CallLog, settings: Pick<Settings, "pace" | "faultRates" | "seed">) {
		this.log = log;
		this.pace = settings.pace;
		this.faultRates = settings.faultRates;
		this.#nextRandom = randomSequence(settings.seed);
	}

	nextIdSuffix(): string {
		this.#lastCall += 1;
		return `sim${this.#bootId}${this.#lastCall.toString(36).padStart(6, "0")}`;
	}

	bill(call: BilledCall): void {
		this.log.append(call);
		this.billedCalls += 1;
	}

	countStatus(status: number): void {
		this.statusCounts[status] = (this.statusCounts[status] ?? 0) + 1;
	}

	/** Throws the dice of the fault rates once: a fault, a status, or undefined. */
	drawFault(): { readonly fault: Fault } | { readonly status: number } | undefined {
		const rates = Object.entries(this.faultRates);
		if (rates.length === 0) return undefined;
		let left = this.#nextRandom() / UINT32;
		for (const [name, share] of rates) {
			left -= share;
			if (left < 0) return isFault(name) ? { fault: name } : { status: Number(name) };
		}
		return undefined;
	}
}
