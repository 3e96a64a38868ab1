import { isObject, type JsonObject } from "../json.ts";
import { SettingsError } from "../settings.ts";
import { randomSequence } from "../text.ts";

/** Faults of the calls that manage files and batches, as against those of their items. */

export const OPERATIONS = ["upload", "create", "retrieve", "list", "cancel", "delete", "content"] as const;
/** `content`: reading a file, or the results of a message batch. */
export type Operation = (typeof OPERATIONS)[number];

/**
 * `cut`: done, and the connection is cut before the answer. `lost`: cut, and not done. `late`: done, answered later. `cut_content`: the bytes
 * of a file end with the connection, half way.
 */
const KINDS = ["cut", "lost", "late", "cut_content"] as const;
type Kind = (typeof KINDS)[number];

export type OperationFault = {
	readonly kind: Kind | "status";
	/** Of kind `status` alone; nothing is done. */
	readonly status?: number;
	readonly errorCode?: string;
	readonly retryAfterSeconds?: number;
	/** Real milliseconds, default 1000; or until this name is released. */
	readonly lateMs?: number;
	readonly holdUntil?: string;
};

export type OrderedFault = OperationFault & { readonly operation: Operation; readonly times: number };
/** Share of calls by fault or status, by operation. */
type OperationRates = Readonly<Partial<Record<Operation, Readonly<Record<string, number>>>>>;

const UINT32 = 0x1_0000_0000;

export class OperationFaults {
	#ordered: OrderedFault[] = [];
	#rates: OperationRates = {};
	#retryAfterSeconds: number | undefined;
	readonly #nextRandom: () => number;

	constructor(seed: number) {
		this.#nextRandom = randomSequence(seed ^ 0x5bd1e995);
	}

	describe(): JsonObject {
		return { next: this.#ordered, rates: this.#rates, retryAfterSeconds: this.#retryAfterSeconds ?? null };
	}

	/** What is ordered comes first, in its order; then the dice. */
	draw(operation: Operation): OperationFault | undefined {
		const ordered = this.#ordered.find((fault) => fault.operation === operation);
		if (ordered === undefined) return this.#throwDice(operation);
		this.#ordered = this.#ordered.map((fault) => (fault === ordered ? { ...fault, times: fault.times - 1 } : fault)).filter((fault) => fault.times > 0);
		return ordered;
	}

	/** `{next, rates, retryAfterSeconds}`, each replacing what it names. Throws SettingsError with every mistake, nothing applied. */
	set(body: JsonObject): void {
		const mistakes: string[] = [];
		const ordered = body["next"] === undefined ? this.#ordered : readOrdered(body["next"], mistakes);
		const rates = body["rates"] === undefined ? this.#rates : readRates(body["rates"], mistakes);
		const { retryAfterSeconds } = body;
		if (retryAfterSeconds !== undefined && !isDuration(retryAfterSeconds)) mistakes.push("retryAfterSeconds must be a number of at least 0");
		for (const field of Object.keys(body)) if (!["next", "rates", "retryAfterSeconds"].includes(field)) mistakes.push(`unknown field ${field}`);
		if (mistakes.length > 0) throw new SettingsError(`batch faults: ${mistakes.join("; ")}`);
		this.#ordered = ordered;
		this.#rates = rates;
		if (body["rates"] !== undefined || retryAfterSeconds !== undefined) this.#retryAfterSeconds = retryAfterSeconds as number | undefined;
	}

	#throwDice(operation: Operation): OperationFault | undefined {
		const rates = Object.entries(this.#rates[operation] ?? {});
		if (rates.length === 0) return undefined;
		let left = this.#nextRandom() / UINT32;
		for (const [name, share] of rates) {
			left -= share;
			if (left < 0) return this.#named(name);
		}
		return undefined;
	}

	#named(name: string): OperationFault {
		if (isKind(name)) return { kind: name };
		return { kind: "status", status: Number(name), ...(this.#retryAfterSeconds !== undefined && { retryAfterSeconds: this.#retryAfterSeconds }) };
	}
}

const FIELDS = ["operation", "fault", "status", "errorCode", "retryAfterSeconds", "lateMs", "holdUntil", "times"];

function readOrdered(value: unknown, mistakes: string[]): OrderedFault[] {
	if (!Array.isArray(value)) {
		mistakes.push("next must be a list of faults");
		return [];
	}
	return value.flatMap((each, index) => readFault(each, `next[${index}]`, mistakes) ?? []);
}

function readFault(value: unknown, name: string, mistakes: string[]): OrderedFault | undefined {
	if (!isObject(value)) {
		mistakes.push(`${name} must be an object`);
		return undefined;
	}
	const { operation, fault, status, errorCode, retryAfterSeconds, lateMs, holdUntil, times = 1 } = value;
	const expect = (isRight: boolean, complaint: string) => {
		if (!isRight) mistakes.push(`${name}.${complaint}`);
	};
	for (const field of Object.keys(value)) expect(FIELDS.includes(field), `${field} is unknown`);
	expect(isOperation(operation), `operation must be one of ${OPERATIONS.join(", ")}`);
	expect((fault === undefined) !== (status === undefined), "fault or status must be given, and not both");
	expect(fault === undefined || isKind(fault), `fault must be one of ${KINDS.join(", ")}`);
	expect(status === undefined || isStatus(String(status)), "status must be from 400 to 599");
	expect(errorCode === undefined || typeof errorCode === "string", "errorCode must be a string");
	expect(retryAfterSeconds === undefined || isDuration(retryAfterSeconds), "retryAfterSeconds must be a number of at least 0");
	expect(lateMs === undefined || isDuration(lateMs), "lateMs must be a number of at least 0");
	expect(holdUntil === undefined || typeof holdUntil === "string", "holdUntil must be a name");
	expect(Number.isSafeInteger(times) && (times as number) > 0, "times must be an integer above 0");
	const { fault: _, ...rest } = value;
	return { ...rest, kind: isKind(fault) ? fault : "status", times } as OrderedFault;
}

function readRates(value: unknown, mistakes: string[]): OperationRates {
	if (!isObject(value)) {
		mistakes.push("rates must be an object by operation");
		return {};
	}
	for (const [operation, shares] of Object.entries(value)) {
		if (!isOperation(operation)) mistakes.push(`rates.${operation} is no operation`);
		else if (!isObject(shares)) mistakes.push(`rates.${operation} must be shares by fault or status`);
		else mistakes.push(...mistakesInShares(operation, shares));
	}
	return value as OperationRates;
}

function mistakesInShares(operation: string, shares: JsonObject): string[] {
	const mistakes = Object.entries(shares).flatMap(([name, share]) => {
		if (!isKind(name) && !isStatus(name)) return [`rates.${operation}.${name} is neither a fault nor a status`];
		return typeof share === "number" && share >= 0 && share <= 1 ? [] : [`rates.${operation}.${name} must be between 0 and 1`];
	});
	const sum = Object.values(shares).reduce<number>((total, share) => total + (typeof share === "number" ? share : 0), 0);
	return sum > 1 ? [...mistakes, `rates.${operation}: the shares are more than 1 together`] : mistakes;
}

function isOperation(value: unknown): value is Operation {
	return (OPERATIONS as readonly unknown[]).includes(value);
}

function isKind(value: unknown): value is Kind {
	return (KINDS as readonly unknown[]).includes(value);
}

function isStatus(name: string): boolean {
	return /^[45]\d\d$/.test(name);
}

function isDuration(value: unknown): boolean {
	return typeof value === "number" && value >= 0;
}
