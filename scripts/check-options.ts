import { parseArgs } from "node:util";

/** Options as they were typed, by their names; none is a flag. */
export type TypedOptions<Name extends string> = Readonly<Partial<Record<Name, string>>>;

/** What was typed, or of the clock. */
export function seedOf({ seed }: TypedOptions<"seed">): number {
	return Number(seed ?? Date.now() % 2 ** 31);
}

export function isSeed(seed: number): boolean {
	return isWhole(seed, 0, 2 ** 32);
}

export function isWhole(value: number, lowest: number, highest: number): boolean {
	return Number.isInteger(value) && value >= lowest && value <= highest;
}

/**
 * Reads the options of a check, and runs it. Where one is unknown or `read` finds them wrong, says `help`, and 2 is what the process ends with.
 */
export async function runWithOptions<Name extends string, Options>(
	check: { readonly names: readonly Name[]; readonly help: string; read(typed: TypedOptions<Name>): Options | undefined },
	run: (options: Options) => Promise<number>,
): Promise<number> {
	const options = readOptions(check);
	if (options !== undefined) return run(options);
	process.stdout.write(check.help);
	return 2;
}

function readOptions<Name extends string, Options>(check: { readonly names: readonly Name[]; read(typed: TypedOptions<Name>): Options | undefined }) {
	try {
		const named = Object.fromEntries(check.names.map((name) => [name, { type: "string" } as const]));
		const { help, ...typed } = parseArgs({ options: { ...named, help: { type: "boolean" } } }).values;
		return help === true ? undefined : check.read(typed as TypedOptions<Name>);
	} catch (error) {
		process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
		return undefined;
	}
}
