import type { Scenario } from "./scenario.ts";

export type CheckOptions = {
	readonly seed: number;
	readonly batches: number;
	readonly scenario: Scenario | undefined;
	readonly folder: string;
	readonly onProgress: (line: string) => void;
};

export async function checkBatches({ batches }: CheckOptions): Promise<Record<string, unknown>> {
	throw new Error(`not yet: ${batches} batches`);
}
