import fc from "fast-check";
import { importLitellm } from "#activities/policy/import-litellm.ts";
import { readPolicyFile } from "#activities/policy/read-policy-file.ts";
import { writePolicyFile } from "#activities/policy/write-policy-file.ts";
import { diffPolicy } from "#domain/policy/diff-policy.ts";
import { mergePolicy } from "#domain/policy/merge-policy.ts";
import { EMPTY_POLICY } from "#domain/policy/policy.ts";
import { renderChanges } from "#domain/policy/render-changes.ts";
import { anyPolicyFile, exampleWorld } from "#test/support/policies.ts";
import { mutated, toBytes } from "../bytes.ts";
import { holds, pureTarget } from "../target.ts";

const WORLD = exampleWorld();
const CANARY = "sk-canary-0123456789";

/** Pieces that a written policy seldom holds and YAML may. */
const piece = fc.constantFrom(
	"&a",
	"*a",
	"<<: *a",
	"!!int 5",
	"? [x]\n: y",
	"---",
	"%YAML 1.1",
	"|\n  x",
	">-\n  x",
	"'",
	'"\\x00"',
	"~",
	"{ a: b }",
	"[[[[",
	"# x",
	"\t",
	"key_0123456789abcdef: {}",
);
const policyText = fc
	.tuple(
		anyPolicyFile.map((file) => writePolicyFile(file)),
		fc.array(fc.record({ at: fc.nat(4_000), text: piece }), { maxLength: 2 }),
	)
	.map(([text, pieces]) =>
		pieces.reduce((whole, { at, text: added }) => whole.slice(0, at % (whole.length + 1)) + added + whole.slice(at % (whole.length + 1)), text),
	);

/** A policy that people write: what is read can be written, merged and shown; what is not says why, with a line. Nothing throws. */
export const policyFiles = pureTarget({
	name: "policy-file",
	cases: fc.record({ text: mutated(policyText) }),
	check({ text: bytes }) {
		const text = toBytes(bytes).toString("utf8");
		const lineCount = text.split(/\r\n|\r|\n/).length;
		const alone = readPolicyFile(text, { fileName: "policy.yaml" });
		const inWorld = readPolicyFile(text, { fileName: "policy.yaml", world: WORLD, isPruning: text.length % 2 === 0 });
		for (const result of [alone, inWorld]) {
			if (result.kind === "read") continue;
			holds(result.mistakes.length > 0, "a refusal says why");
			for (const { line, column, problem } of result.mistakes)
				holds(line >= 1 && line <= lineCount && column >= 1 && problem !== "", "a mistake with its line", line, column, problem);
		}
		holds(alone.kind === "read" || inWorld.kind === "refused", "the world forgives nothing", inWorld);
		if (alone.kind !== "read") return;
		const again = readPolicyFile(writePolicyFile(alone.file), { fileName: "again" });
		const policy = mergePolicy(EMPTY_POLICY, alone.file, { isPruning: false });
		holds(again.kind === "read", "what is read can be written", again);
		if (again.kind === "read") {
			const changes = diffPolicy(policy, mergePolicy(EMPTY_POLICY, again.file, { isPruning: false }));
			holds(changes.length === 0, "and says the same", renderChanges(changes));
		}
	},
});

const value = fc.oneof(
	fc.constantFrom(
		"1",
		"0.5",
		"1e3",
		"-1",
		"30d",
		"1d",
		"10y",
		"null",
		"true",
		"openai/gpt-4o",
		"azure/x",
		"os.environ/NAME",
		"[slack]",
		"[]",
		"{}",
		"[{}]",
		"{ gpt-4o: 1 }",
		"{ gpt-4o: [a] }",
	),
	fc.constant(CANARY),
);
const field = fc.constantFrom(
	"model_name",
	"litellm_params",
	"model",
	"max_budget",
	"budget_duration",
	"soft_budget",
	"team_id",
	"api_key",
	"alerting",
	"rpm_limit",
	"model_max_budget",
	"budget_fallbacks",
	"budget_limits",
	"models",
	"timezone",
	"x",
);
const fields = fc.dictionary(field, value, { maxKeys: 5 }).map(
	(entries) =>
		`{ ${Object.entries(entries)
			.map(([name, text]) => `${name}: ${text}`)
			.join(", ")} }`,
);
const section = fc.constantFrom(
	"model_list",
	"litellm_settings",
	"general_settings",
	"router_settings",
	"teams",
	"environment_variables",
	"default_team_settings",
);
const litellmText = fc
	.dictionary(
		section,
		fc.oneof(
			fields,
			fc.array(fields, { maxLength: 3 }).map((items) => `[${items.join(", ")}]`),
		),
		{ maxKeys: 4 },
	)
	.map((sections) =>
		Object.entries(sections)
			.map(([name, text]) => `${name}: ${text}`)
			.join("\n"),
	);

/** A configuration of LiteLLM: whatever it is, a policy that can be read, and notes with lines that show no secret. */
export const litellmConfigs = pureTarget({
	name: "litellm-config",
	cases: fc.record({ text: mutated(litellmText) }),
	check({ text: bytes }) {
		const text = toBytes(bytes).toString("utf8");
		const { policy, notes } = importLitellm(text);
		const read = readPolicyFile(writePolicyFile(policy), { fileName: "policy.yaml" });
		holds(read.kind === "read", "a policy that can be read", read, policy);
		for (const { line, problem } of notes) {
			// Names of teams, and the prefix of a model, are repeated.
			const isName = /^is (named|a second team|served by)/.test(problem);
			holds(line >= 1 && problem !== "" && (isName || !problem.includes("canary")), "a note with a line and no secret", line, problem);
		}
	},
});
