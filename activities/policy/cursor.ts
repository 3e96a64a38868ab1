import { createSuggest } from "#domain/policy/nearest-name.ts";
import { type PolicyPath, renderPath } from "#domain/policy/policy-path.ts";
import type { Located, Place, YamlMistake } from "./located-yaml.ts";

/** What one reading of a file has found so far: mistakes, and where everything stands that was looked at. */
export class Reading {
	readonly suggest = createSuggest();
	readonly mistakes: YamlMistake[] = [];
	private readonly wrongPaths = new Set<string>();
	private readonly places = new Map<string, Place>();
	/** Of lists whose items were not all read: the place in the file of each item that was. */
	private readonly keptItems = new Map<string, readonly number[]>();

	fail(path: PolicyPath, place: Place, problem: string): void {
		const key = renderPath(path);
		this.wrongPaths.add(key);
		this.mistakes.push({ place, path: key, problem });
	}

	note(path: PolicyPath, place: Place): void {
		this.places.set(renderPath(path), place);
	}

	noteKept(path: PolicyPath, indexes: readonly number[]): void {
		this.keptItems.set(renderPath(path), indexes);
	}

	/** Of a path of what was read, whose items are numbered without those that were not. */
	failAt(path: PolicyPath, problem: string): void {
		const written: (string | number)[] = [];
		for (const segment of path) {
			const kept = typeof segment === "number" ? this.keptItems.get(renderPath(written)) : undefined;
			written.push(typeof segment === "number" ? (kept?.[segment] ?? segment) : segment);
		}
		this.fail(written, this.nearestPlace(written), problem);
	}

	/** For rules that meet what could not be read: the complaint that stands there says it better. */
	failUnlessWrong(path: PolicyPath, problem: string): void {
		if (!this.wrongPaths.has(renderPath(path))) this.fail(path, this.nearestPlace(path), problem);
	}

	/** Of the thing itself, or of what it stands in. */
	private nearestPlace(path: PolicyPath): Place {
		for (let length = path.length; length > 0; length -= 1) {
			const place = this.places.get(renderPath(path.slice(0, length)));
			if (place !== undefined) return place;
		}
		return { line: 1, column: 1 };
	}
}

/**
 * One value of a file under its path. Each method gives the value in the form asked for, or undefined after it has noted
 * what is wrong and where, so that reading goes on and finds every mistake.
 */
export class Cursor {
	readonly reading: Reading;
	readonly path: PolicyPath;
	private readonly node: Located;

	constructor(reading: Reading, path: PolicyPath, node: Located) {
		this.reading = reading;
		this.path = path;
		this.node = node;
	}

	fail(problem: string): undefined {
		this.reading.fail(this.path, this.node.place, problem);
		return undefined;
	}

	/** Of a field that is not there: told where its section begins. */
	failMissing(field: string, problem: string): undefined {
		this.reading.fail([...this.path, field], this.node.place, problem);
		return undefined;
	}

	/** A map with these fields and no others. `refused`: names that people may well expect, and why they stand for nothing here. */
	fields<Field extends string>(known: readonly Field[], refused: ReadonlyMap<string, string> = new Map()): Partial<Record<Field, Cursor>> | undefined {
		const entries = this.entries();
		if (entries === undefined) return undefined;
		const fields: Partial<Record<Field, Cursor>> = {};
		for (const [name, cursor, place] of entries) {
			const field = known.find((candidate) => candidate === name);
			if (field !== undefined) fields[field] = cursor;
			else this.reading.fail(cursor.path, place, refused.get(name) ?? `is no field here${this.reading.suggest(name, known)}`);
		}
		return fields;
	}

	/** A map with names that people choose: name, value, place of the name. */
	entries(): readonly (readonly [string, Cursor, Place])[] | undefined {
		if (this.node.kind !== "map") return this.fail(this.isNothing() ? "is empty; leave it out, or write {}" : "must be a map of names and values");
		return this.node.entries.map(({ name, namePlace, value }) => {
			const path = [...this.path, name];
			this.reading.note(path, value.kind === "text" ? value.place : namePlace);
			return [name, new Cursor(this.reading, path, value), namePlace];
		});
	}

	items(max: number): readonly Cursor[] | undefined {
		if (this.node.kind !== "list") return this.fail(this.isNothing() ? "is empty; leave it out, or write []" : "must be a list");
		if (this.node.items.length > max) this.fail(`has ${this.node.items.length} items; at most ${max} are allowed`);
		return this.node.items.slice(0, max).map((item, index) => {
			const path = [...this.path, index];
			this.reading.note(path, item.place);
			return new Cursor(this.reading, path, item);
		});
	}

	/** What each item is read into, without those that could not be. */
	list<Item>(max: number, read: (item: Cursor) => Item | undefined): readonly Item[] | undefined {
		const items = this.items(max);
		if (items === undefined) return undefined;
		const kept: number[] = [];
		const values = items.flatMap((item, index) => {
			const value = read(item);
			if (value === undefined) return [];
			kept.push(index);
			return [value];
		});
		this.reading.noteKept(this.path, kept);
		return values;
	}

	text(rule: { readonly isMeant: (text: string) => boolean; readonly problem: string }): string | undefined {
		if (this.node.kind !== "text" || this.isNothing()) return this.fail(rule.problem);
		return rule.isMeant(this.node.text) ? this.node.text : this.fail(rule.problem);
	}

	oneOf<Choice extends string>(choices: readonly Choice[]): Choice | undefined {
		const written = this.written();
		const found = choices.find((choice) => choice === written);
		return found ?? this.fail(`must be one of ${choices.join(", ")}${written === undefined ? "" : this.reading.suggest(written, choices)}`);
	}

	flag(): boolean | undefined {
		if (this.node.kind === "text" && this.node.isPlain) {
			if (/^(true|True|TRUE)$/.test(this.node.text)) return true;
			if (/^(false|False|FALSE)$/.test(this.node.text)) return false;
		}
		return this.fail("must be true or false");
	}

	wholeNumber(min: number, max: number): number | undefined {
		const written = this.written();
		const number = written !== undefined && /^[0-9]{1,16}$/.test(written) ? Number(written) : undefined;
		return number !== undefined && number >= min && number <= max ? number : this.fail(`must be a whole number from ${min} to ${max}`);
	}

	/** As it was written, quoted or not; undefined for a map, a list or nothing, of which nothing is noted. */
	written(): string | undefined {
		return this.node.kind === "text" && !this.isNothing() ? this.node.text : undefined;
	}

	/** `null`, `~` or nothing at all. */
	isNothing(): boolean {
		return this.node.kind === "text" && this.node.isPlain && /^(|~|null|Null|NULL)$/.test(this.node.text);
	}

	/** A scalar as JSON has it, for fields whose rules stand elsewhere. */
	scalar(): string | number | boolean | null | undefined {
		if (this.node.kind !== "text") return undefined;
		const { text, isPlain } = this.node;
		if (!isPlain) return text;
		if (this.isNothing()) return null;
		if (/^(true|True|TRUE|false|False|FALSE)$/.test(text)) return text.toLowerCase() === "true";
		return /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/.test(text) ? Number(text) : text;
	}
}

/** Without the fields that are undefined: a policy file says nothing where nothing was written. */
export function withoutUndefined<Fields extends object>(fields: Fields): { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> } {
	return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };
}
