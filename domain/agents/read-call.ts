import { readJson } from "../text/read-json.ts";
import { boundText } from "./bounded-text.ts";
import type { Sketch } from "./sketch.ts";
import { hashToken, mixBits, mixHash, TOKEN_KINDS, TokenScanner } from "./token-scanner.ts";
import { COUNTING_WORDS, type FieldClass, fieldClass, isMoment, LINKS, MOMENT_CHARS_MIN, STRONG_LABELS } from "./volatile.ts";

/** What a tool was asked for, reduced to what can be compared. The order of keys, blanks and letter case never count. */
export type CallReading = {
	/** Equal for calls that ask the same; times, nonces and numbers of attempts do not count. */
	readonly hash: number;
	/** The same without positions in a list either (`page`, `cursor`): equal for calls that turn pages. */
	readonly looseHash: number;
	/** Equal for calls that differ in numbers only. */
	readonly templateHash: number;
	/** Equal for calls on the same things: files, ids, names, numbers. Words of a question are not among them. */
	readonly targetHash: number;
	/** The tool looks something up, by its name or because its arguments hold a question. */
	readonly isReading: boolean;
	/** The tool does something with what it is told: it neither looks anything up nor thinks, by its name. */
	readonly isTelling: boolean;
	/** Its arguments hold a question. */
	readonly isQuestion: boolean;
	/** The tool waits, by its name or its command: repeating it is its purpose. */
	readonly isWaiting: boolean;
	/** The tool asks how something is going, by its name. */
	readonly isPolling: boolean;
	readonly tool: number;
};

const READING = /search|find|look_?up|query|ask|google|browse|retriev|fetch|get|read|list|grep|view|open|show|describe|inspect/i;
const THINKING = /think|thought|reflect|reason|plan/i;
const WAITING = /(?:^|[^a-z])(?:sleep|wait|delay|pause)/i;
const POLLING =
	/status|poll|progress|health|ready|watch|monitor|(?:^|[^a-z])wait|(?:check|get|describe|show|read|fetch)_?(?:job|build|deploy|run|task|pipeline|import|export)|(?:job|build|deploy|task)_?(?:log|state|info)/i;

/** A shell that waits, in a command that does little else. */
const WAITING_COMMAND = /\bsleep \d/;
const WAITING_ARGS_CHARS = 200;

const DEPTH_MAX = 8;
const FIELDS_MAX = 256;
/** A longer value of a field that asks nothing is prose, not a name. */
const NAME_WORDS_MAX = 3;
/** A longer question holds what it is about, such as a text to be judged: its words are no mere wording. */
const QUESTION_CHARS_MAX = 240;
/** JSON beyond this length is read as text: only equal bytes are then the same call. */
const JSON_CHARS_MAX = 65_536;
const ANY_VALUE = hashToken("#");

/** One for all calls: none is read while another is. */
const scanner = new TokenScanner();

type Toolmarks = Pick<CallReading, "isReading" | "isWaiting" | "isPolling"> & { readonly hash: number; readonly isThinking: boolean };
const TOOLS_KEPT_MAX = 500;
const tools = new Map<string, Toolmarks>();

function toolmarks(tool: string): Toolmarks {
	const known = tools.get(tool);
	if (known !== undefined) return known;
	const spelled = tool.slice(0, 128).replace(/([a-z])([A-Z])/g, "$1_$2");
	const marks = {
		hash: hashToken(tool),
		isReading: READING.test(spelled),
		isThinking: THINKING.test(spelled),
		isWaiting: WAITING.test(spelled),
		isPolling: POLLING.test(spelled),
	};
	if (tools.size < TOOLS_KEPT_MAX && tool.length <= 128) tools.set(tool, marks);
	return marks;
}

class CallReader {
	strict = 0;
	loose = 0;
	template = 0;
	target = 0;
	hasQuestion = false;
	/** Not all was read: it nests too deeply or has too many fields. */
	isCut = false;
	readonly #sketch: Sketch;
	#fields = 0;
	#before = 0;

	constructor(sketch: Sketch) {
		this.#sketch = sketch;
	}

	readJson(value: unknown, field: FieldClass, depth: number): void {
		this.#fields += 1;
		if (depth > DEPTH_MAX || this.#fields > FIELDS_MAX) this.isCut = true;
		else if (typeof value === "string") this.readText(value, field);
		else if (Array.isArray(value)) {
			this.#mark(value.length);
			for (const item of value) this.readJson(item, field, depth + 1);
		} else if (typeof value === "object" && value !== null) this.#readObject(value as Readonly<Record<string, unknown>>, depth);
		else this.#addScalar(String(value), field);
	}

	readText(text: string, field: FieldClass): void {
		const { head, tail, middleHash } = boundText(text);
		const isName = field === "query" ? text.length > QUESTION_CHARS_MAX : isShort(head) && tail === "";
		this.#scan(head, field, isName);
		if (tail !== "") this.#scan(tail, field, false);
		if (middleHash !== 0) this.#mark(middleHash);
	}

	#readObject(object: Readonly<Record<string, unknown>>, depth: number): void {
		const keys = Object.keys(object).sort();
		if (keys.some((key) => fieldClass(key) === "query")) this.hasQuestion = true;
		for (const key of keys) {
			const field = fieldClass(key);
			this.#mark(hashToken(key));
			if (field === "volatile") this.#mark(ANY_VALUE);
			else this.readJson(object[key], field, depth + 1);
		}
	}

	#addScalar(text: string, field: FieldClass): void {
		const isNumber = /^-?\d/.test(text);
		const isVolatile = isNumber && field !== "span" && isMoment(text);
		this.#add(hashToken(text), { isVolatile, isCursor: this.#isCursor(field), isTarget: isNumber, isNumber });
	}

	#scan(text: string, field: FieldClass, isName: boolean): void {
		let label = 0;
		scanner.start(text);
		while (scanner.next()) {
			const { hash, kind } = scanner;
			if (kind === TOKEN_KINDS.punctuation) {
				this.#mark(hash);
				continue;
			}
			const isWord = kind === TOKEN_KINDS.word;
			const isVolatile = isWord ? false : label > 0 || (field !== "span" && mayBeMoment() && isMoment(scanner.text));
			if (isWord) label = COUNTING_WORDS.has(hash) || STRONG_LABELS.has(hash) || (label > 0 && LINKS.has(hash)) ? 1 : 0;
			else label = STRONG_LABELS.has(hash) ? 1 : 0;
			this.#add(hash, { isVolatile, isCursor: this.#isCursor(field), isTarget: isName || !isWord, isNumber: !isWord });
		}
	}

	#isCursor(field: FieldClass): boolean {
		return field === "cursor" || (field === "session" && this.hasQuestion);
	}

	#mark(value: number): void {
		this.strict = mixBits(this.strict, value);
		this.loose = mixBits(this.loose, value);
		this.template = mixBits(this.template, value);
	}

	#add(hash: number, token: { isVolatile: boolean; isCursor: boolean; isTarget: boolean; isNumber: boolean }): void {
		const { isVolatile, isCursor, isTarget, isNumber } = token;
		this.strict = mixBits(this.strict, isVolatile ? ANY_VALUE : hash);
		this.loose = mixBits(this.loose, isVolatile || isCursor ? ANY_VALUE : hash);
		this.template = mixBits(this.template, isNumber || isVolatile ? ANY_VALUE : hash);
		if (isVolatile) return;
		this.#sketch.add(mixBits(this.#before, hash));
		this.#before = hash;
		// Summed, so that the order in which things are named does not count.
		if (isTarget && !isCursor) this.target = (this.target + mixBits(hash, 1)) | 0;
	}
}

function mayBeMoment(): boolean {
	return scanner.kind === TOKEN_KINDS.identifier || scanner.isJoined || scanner.length >= MOMENT_CHARS_MIN;
}

function isShort(text: string): boolean {
	let words = 0;
	scanner.start(text);
	while (scanner.next()) if (scanner.kind !== TOKEN_KINDS.punctuation && ++words > NAME_WORDS_MAX) return false;
	return true;
}

/** Adds the words of the arguments to the sketch. */
export function readCall(tool: string, argsText: string, sketch: Sketch): CallReading {
	const marks = toolmarks(tool);
	const reader = readArgs(argsText, sketch);
	const isReading = marks.isReading || reader.hasQuestion;
	return {
		hash: mixHash(marks.hash, reader.strict),
		looseHash: mixHash(marks.hash, isReading ? reader.loose : reader.strict),
		templateHash: mixHash(marks.hash, reader.template),
		targetHash: mixHash(marks.hash, reader.target),
		isReading,
		isTelling: !marks.isReading && !marks.isThinking,
		isQuestion: reader.hasQuestion,
		isWaiting: marks.isWaiting || (argsText.length < WAITING_ARGS_CHARS && WAITING_COMMAND.test(argsText)),
		isPolling: marks.isPolling,
		tool: marks.hash,
	};
}

/** JSON field by field; text, and JSON beyond what is read so, as the text it is. */
function readArgs(argsText: string, sketch: Sketch): CallReader {
	const json = parseArgs(argsText);
	const reader = new CallReader(sketch);
	if (json !== undefined) reader.readJson(json, "other", 0);
	if (json !== undefined && !reader.isCut) return reader;
	const textReader = new CallReader(sketch);
	textReader.readText(argsText, "query");
	return textReader;
}

/** undefined: the arguments are text. */
function parseArgs(argsText: string): unknown {
	if (argsText.length > JSON_CHARS_MAX || !/^\s*[[{]/.test(argsText)) return undefined;
	try {
		return readJson(argsText);
	} catch {
		// What a model wrote badly is compared as the text it is.
		return undefined;
	}
}
