/** Where something stands in a written policy: names of fields and entries, numbers of list items from 0. */
export type PolicyPath = readonly (string | number)[];

export type PolicyProblem = { readonly path: PolicyPath; readonly problem: string };

/** `teams.search.budgets[0].limitUsd`; names that hold more than letters, digits, _ and - are quoted. */
export function renderPath(path: PolicyPath): string {
	return path.reduce<string>((text, segment) => {
		if (typeof segment === "number") return `${text}[${segment}]`;
		const name = /^[A-Za-z0-9_-]+$/.test(segment) ? segment : JSON.stringify(segment);
		return text === "" ? name : `${text}.${name}`;
	}, "");
}

/** An entry of a record that people name: never what every object inherits. */
export function entryOf<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
	return Object.hasOwn(record, name) ? record[name] : undefined;
}
