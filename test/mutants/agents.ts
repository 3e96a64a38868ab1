import type { Mutant } from "./mutant.ts";

/** Rules that stop a run, and those that keep one from being stopped. */
const DETECTOR_TEST = "test/unit/domain/agents/loop-detector.test.ts";

export const AGENT_MUTANTS: readonly Mutant[] = [
	{
		rule: "a repeated call is stopped",
		file: "domain/agents/repetition.ts",
		from: 'severity: covered >= stopAt ? "stop" : "warn", measured: covered',
		to: 'severity: "warn", measured: covered',
		test: DETECTOR_TEST,
		titles: ["warns with the fourth same result and stops with the ninth, and says what it saw"],
	},
	{
		rule: "pairs of call and result repeat, not calls",
		file: "domain/agents/reading.ts",
		from: "isActing ? call.hash : call.looseHash), result.hash);",
		to: "isActing ? call.hash : call.looseHash), 0);",
		test: DETECTOR_TEST,
		titles: ["a job that counts up", "a bar that fills"],
	},
	{
		rule: "what a tool did shows in its arguments alone",
		file: "domain/agents/reading.ts",
		from: 'if (acknowledges(call, result) || !remembers(memory, "targets", call.targetHash)) return "new";',
		to: 'if (!remembers(memory, "targets", call.targetHash)) return "new";',
		test: "test/property/agent-loops.test.ts",
		titles: ["of 2,100 drawn runs no loop is missed or stopped late, and nothing else is stopped"],
	},
	{
		rule: "work on another thing is new",
		file: "domain/agents/reading.ts",
		from: 'if (acknowledges(call, result) || !remembers(memory, "targets", call.targetHash)) return "new";',
		to: 'if (acknowledges(call, result)) return "new";',
		test: DETECTOR_TEST,
		titles: ["files without a finding"],
	},
	{
		rule: "a result made of ids or moments alone is its content",
		file: "domain/agents/read-result.ts",
		from: "const isContent = isMany || reader.volatile === reader.tokens;",
		to: "const isContent = isMany;",
		test: DETECTOR_TEST,
		titles: ["pages of moments"],
	},
	{
		rule: "a poll that moves on has made progress",
		file: "domain/agents/no-progress.ts",
		from: 'novelty === "progress" ? 0 : ',
		to: "",
		test: DETECTOR_TEST,
		titles: ["a job that takes its time in each state"],
	},
	{
		rule: "a conversation that adds up is no growth",
		file: "domain/agents/context-growth.ts",
		from: "if (measured < growthWarn || addsUp || !hasRisen(memory)) return undefined;",
		to: "if (measured < growthWarn || !hasRisen(memory)) return undefined;",
		test: DETECTOR_TEST,
		titles: ["a conversation that adds up is none, nor a poll that grows"],
	},
	{
		rule: "a hard ceiling speaks",
		file: "domain/agents/ceilings.ts",
		from: "if (hard !== undefined && (",
		to: "if (hard !== undefined && false && (",
		test: "test/unit/domain/agents/ceilings.test.ts",
		titles: ["soft warns, hard pauses, and each says what was measured against which line"],
	},
	{
		rule: "limits that contradict each other are refused",
		file: "domain/agents/run-limits.ts",
		from: "	if (problems.length === 0) problems.push(...contradictions(ceilings, field));\n",
		to: "",
		test: "test/unit/domain/agents/run-limits.test.ts",
		titles: ['{"steps":{"soft":50,"hard":50}}'],
	},
	{
		rule: "a turn that is sent again is known by its key",
		file: "domain/agents/exchanges.ts",
		from: "mixHash(key, hashToken(callId))",
		to: "mixHash(key, 0)",
		test: "test/unit/domain/agents/exchanges.test.ts",
		titles: ["a turn that is sent again has the same key, the next one another"],
	},
];
