import { expect } from "vitest";
import { readPolicyFile } from "#activities/policy/read-policy-file.ts";
import type { PolicyWorld } from "#domain/policy/check-policy.ts";
import { exampleWorld } from "./policies.ts";

/** "line path: problem" of every mistake of a policy file, in its order; empty for a file that is read. */
export function mistakesOf(text: string, world: PolicyWorld = exampleWorld()): string[] {
	const result = readPolicyFile(text, { fileName: "policy.yaml", world });
	if (result.kind === "read") return [];
	for (const mistake of result.mistakes) expect(mistake.file).toBe("policy.yaml");
	return result.mistakes.map(({ line, path, problem }) => `${line} ${path}: ${problem}`);
}
