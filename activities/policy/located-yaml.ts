import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from "yaml";
import { type PolicyPath, renderPath } from "#domain/policy/policy-path.ts";

/**
 * YAML 1.2 with the line of everything, so that a mistake can be found. Scalars stay text as it was written: an amount of
 * money never passes through a float. Anchors and aliases work, tags and merge keys do not. What a hostile file may cost is
 * bounded: in size, in depth, and in what its aliases expand to.
 */
export type Place = { readonly line: number; readonly column: number };

export type Located =
	| { readonly kind: "map"; readonly place: Place; readonly entries: readonly LocatedEntry[] }
	| { readonly kind: "list"; readonly place: Place; readonly items: readonly Located[] }
	/** `isPlain`: without quotes, so that it may also be a number, true, false or nothing. */
	| { readonly kind: "text"; readonly place: Place; readonly text: string; readonly isPlain: boolean };
export type LocatedEntry = { readonly name: string; readonly namePlace: Place; readonly value: Located };

export type YamlMistake = { readonly place: Place; readonly path: string; readonly problem: string };
/** `root` is what could be read; undefined = nothing. */
export type ReadYaml = { readonly root: Located | undefined; readonly mistakes: readonly YamlMistake[] };

export const MAX_YAML_BYTES = 1 << 24;
const MAX_DEPTH = 32;
const MAX_NODES = 2_000_000;
/** Of what is no YAML at all: one mistake makes more of what follows it. */
const MAX_COMPLAINTS = 100;
const START: Place = { line: 1, column: 1 };

export function readYaml(text: string): ReadYaml {
	if (Buffer.byteLength(text) > MAX_YAML_BYTES) return refused("is larger than 16 MiB");
	const lines = new LineCounter();
	// "failsafe" leaves every scalar as text. The parser compares every two keys of a map, so names are compared here.
	const document = withoutStackTraces(() =>
		parseDocument(text, {
			schema: "failsafe",
			version: "1.2",
			resolveKnownTags: false,
			uniqueKeys: false,
			merge: false,
			prettyErrors: false,
			lineCounter: lines,
		}),
	);
	const placeAt = (offset: number): Place => {
		const { line, col } = lines.linePos(offset);
		return { line: Math.max(1, line), column: Math.max(1, col) };
	};
	const complaints = [...document.errors.slice(0, MAX_COMPLAINTS), ...document.warnings.slice(0, MAX_COMPLAINTS)].map(({ pos, code, message }): YamlMistake => {
		const problem = code === "RESOURCE_EXHAUSTION" ? "is nested too deep to be read" : `is no YAML: ${withoutText(message)}`;
		return { place: placeAt(pos[0]), path: "", problem };
	});
	const { explicit, version } = document.directives?.yaml ?? {};
	if (explicit && version !== "1.2") complaints.push({ place: START, path: "", problem: `is YAML ${version ?? ""}; only 1.2 is read` });
	// A tree that was put together over a mistake says what nobody wrote.
	if (complaints.length > 0) return { root: undefined, mistakes: complaints };
	if (document.contents === null || document.contents === undefined) return refused("is empty");
	const reader = new TreeReader(placeAt);
	const root = reader.read(document.contents, []);
	return { root, mistakes: reader.mistakes };
}

function refused(problem: string): ReadYaml {
	return { root: undefined, mistakes: [{ place: START, path: "", problem }] };
}

/** The parser makes an Error of each complaint, and a file may give it a million: their stacks would take seconds. */
function withoutStackTraces<Value>(run: () => Value): Value {
	const { stackTraceLimit } = Error;
	Error.stackTraceLimit = 0;
	try {
		return run();
	} finally {
		Error.stackTraceLimit = stackTraceLimit;
	}
}

/** Complaints of the parser that go on with a piece of the file, which may be a secret. */
const QUOTING =
	/^(Unresolved tag|Unexpected [\w-]+ token in YAML (?:stream|document)|Block scalar header includes extra characters|Invalid escape sequence|Not a YAML token|Unsupported YAML version|Unknown directive|Not a valid tag|Could not resolve tag|Verbatim tags)/;

function withoutText(message: string): string {
	if (/^The .* tag has no suffix/s.test(message)) return "a tag has no suffix";
	return QUOTING.exec(message)?.[1] ?? message.split("\n")[0] ?? "";
}

/** An anchor while its node is read, and its size once it was. */
type Anchored = { readonly node: Located | undefined; readonly nodeCount: number };

class TreeReader {
	readonly mistakes: YamlMistake[] = [];
	private readonly placeAt: (offset: number) => Place;
	/** The last node of each name so far; undefined while it is open. */
	private readonly anchors = new Map<string, Anchored | undefined>();
	private nodeCount = 0;
	private isTooLarge = false;

	constructor(placeAt: (offset: number) => Place) {
		this.placeAt = placeAt;
	}

	read(node: Node | null, path: PolicyPath): Located | undefined {
		if (node === null) return undefined;
		const place = this.placeOf(node);
		if (isAlias(node)) return this.follow(node.source, place, path);
		this.count(1, place, path);
		if (this.isTooLarge) return undefined;
		if (path.length > MAX_DEPTH) return this.fail(place, path, `is nested deeper than ${MAX_DEPTH} levels`);
		if (node.tag !== undefined && node.tag !== "!") return this.fail(place, path, "has a tag; tags say nothing here");
		const { anchor } = node as { anchor?: string };
		const countBefore = this.nodeCount - 1;
		if (anchor !== undefined) this.anchors.set(anchor, undefined);
		const located = this.readParts(node, place, path);
		if (anchor !== undefined) this.anchors.set(anchor, { node: located, nodeCount: this.nodeCount - countBefore });
		return located;
	}

	private readParts(node: Node, place: Place, path: PolicyPath): Located | undefined {
		if (isMap(node)) return { kind: "map", place, entries: this.readEntries(node, path) };
		if (isSeq(node)) {
			const items = node.items.flatMap((item, index) => this.read(item as Node | null, [...path, index]) ?? []);
			return { kind: "list", place, items };
		}
		if (!isScalar(node)) return this.fail(place, path, "is nothing that can be read");
		return { kind: "text", place, text: String(node.value ?? ""), isPlain: node.type === undefined || node.type === "PLAIN" };
	}

	private readEntries(map: YAMLMap, path: PolicyPath): LocatedEntry[] {
		const seen = new Map<string, Place>();
		return map.items.flatMap((pair) => {
			const key = pair.key as Node | null;
			const namePlace = key === null ? this.placeOf(map) : this.placeOf(key);
			if (!isScalar(key) || key.tag !== undefined) return this.fail(namePlace, path, "holds a name that is no text") ?? [];
			const name = String(key.value ?? "");
			const first = seen.get(name);
			if (first !== undefined) return this.fail(namePlace, [...path, name], `stands here twice: line ${first.line} has it too`) ?? [];
			seen.set(name, namePlace);
			if (key.anchor !== undefined) return this.fail(namePlace, [...path, name], "has an anchor on its name; put it on the value") ?? [];
			const value = pair.value === null ? { kind: "text" as const, place: namePlace, text: "", isPlain: true } : this.read(pair.value as Node, [...path, name]);
			return value === undefined ? [] : [{ name, namePlace, value }];
		});
	}

	private follow(anchor: string, place: Place, path: PolicyPath): Located | undefined {
		if (!this.anchors.has(anchor)) return this.fail(place, path, "follows an anchor that is not above it");
		const target = this.anchors.get(anchor);
		if (target === undefined) return this.fail(place, path, "follows an anchor that holds it: anchors in a circle");
		this.count(target.nodeCount, place, path);
		return this.isTooLarge ? undefined : target.node;
	}

	private count(nodes: number, place: Place, path: PolicyPath): void {
		this.nodeCount += nodes;
		if (this.nodeCount <= MAX_NODES || this.isTooLarge) return;
		this.isTooLarge = true;
		this.fail(place, path, `makes the file expand to more than ${MAX_NODES} values`);
	}

	private placeOf(node: Node): Place {
		return this.placeAt(node.range?.[0] ?? 0);
	}

	private fail(place: Place, path: PolicyPath, problem: string): undefined {
		this.mistakes.push({ place, path: renderPath(path), problem });
		return undefined;
	}
}
