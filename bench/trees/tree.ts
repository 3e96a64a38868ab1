import { existsSync } from "node:fs";
import path from "node:path";

/** A source tree whose gateway is measured beside those of others. */
export type Tree = {
	/** Names its lane, its journal and its database. */
	readonly name: string;
	readonly folder: string;
	/** Every call is a step of one of four agent runs. */
	readonly hasRuns: boolean;
	/** Further flags of its Node process. */
	readonly nodeFlags: readonly string[];
};

const NAME = /^[a-z][a-z0-9-]{0,31}$/;

/** Names of the lanes that are measured with them. */
const TAKEN: ReadonlySet<string> = new Set(["direct", "floor"]);

/** Reads `name=folder[,run][,--flag…]`. Throws what is wrong with it. */
export function readTree(text: string): Tree {
	const [, name = "", rest = ""] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
	if (!NAME.test(name) || TAKEN.has(name)) throw new Error(`"${text}": a tree is given as name=folder; the name is lower case, and neither direct nor floor`);
	const [folder = "", ...options] = rest.split(",");
	const unknown = options.find((option) => option !== "run" && !option.startsWith("--"));
	if (unknown !== undefined) throw new Error(`"${text}": after the folder comes run or a flag of Node, and not "${unknown}"`);
	if (folder === "" || !existsSync(path.join(folder, "gateway/main.ts")))
		throw new Error(`"${text}": there is no gateway/main.ts in ${folder === "" ? "no folder" : folder}`);
	return { name, folder: path.resolve(folder), hasRuns: options.includes("run"), nodeFlags: options.filter((option) => option.startsWith("--")) };
}
