export type Scenario = Record<string, never>;

/** Throws where the file cannot be read. */
export function readScenario(file: string): Scenario {
	throw new Error(`${file}: not yet`);
}
