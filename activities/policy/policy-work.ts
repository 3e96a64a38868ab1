import type { KeptPlaceProblem } from "#domain/alerts/channel.ts";
import type { PolicyWorld } from "#domain/policy/check-policy.ts";
import { diffPolicy } from "#domain/policy/diff-policy.ts";
import { inOrder, mergePolicy } from "#domain/policy/merge-policy.ts";
import type { Policy } from "#domain/policy/policy.ts";
import { renderChanges } from "#domain/policy/render-changes.ts";
import { importLitellm } from "./import-litellm.ts";
import type { PolicyRequest } from "./port.ts";
import { type PolicyMistake, readPolicyFile, renderMistakes } from "./read-policy-file.ts";
import { writePolicyFile } from "./write-policy-file.ts";

/**
 * What is done with a policy as a whole, away from everything that has to answer soon: a policy of 10,000 teams takes seconds to
 * read. Policies come and go as JSON text, so that nobody else takes them apart.
 */
export type PolicyQuestion = PlanQuestion | WriteQuestion | ImportQuestion;

/** What a file changes in `currentJson`, a `Policy`. */
export type PlanQuestion = { readonly kind: "plan"; readonly currentJson: string; readonly facts: PolicyFacts; readonly request: PolicyRequest };
/** A `Policy` as a file; with `teamIds` without what is of other teams. */
export type WriteQuestion = { readonly kind: "write"; readonly policyJson: string; readonly teamIds?: readonly string[] | null };
/** A LiteLLM configuration as a file. */
export type ImportQuestion = { readonly kind: "import"; readonly text: string };

/** What a file is held against, beside the policy that holds. */
export type PolicyFacts = Pick<PolicyWorld, "adminNames" | "endedTeams" | "teamOfKey"> & {
	readonly protocolOfProvider: ReadonlyMap<string, Protocol>;
	readonly protocolOfModel: ReadonlyMap<string, Protocol>;
};
type Protocol = NonNullable<ReturnType<PolicyWorld["protocolOfProvider"]>>;

export type PlanAnswer =
	/** `nextJson` is a `Policy`, `changesJson` a list of `PolicyChange`; `text` says them to people. */
	| { readonly kind: "planned"; readonly nextJson: string; readonly changesJson: string; readonly changeCount: number; readonly text: string }
	/** Every mistake, and all of them as one text. */
	| { readonly kind: "refused"; readonly mistakes: readonly PolicyMistake[]; readonly text: string };
/** The policy in its one order, and as a file. */
export type WriteAnswer = { readonly policyJson: string; readonly text: string };
/** `text` undefined: there was nothing to carry over. */
export type ImportAnswer = { readonly text: string | undefined; readonly notes: ReturnType<typeof importLitellm>["notes"] };
export type PolicyAnswer<Question extends PolicyQuestion> = Question extends PlanQuestion
	? PlanAnswer
	: Question extends WriteQuestion
		? WriteAnswer
		: ImportAnswer;

/** `keptPlaceProblem`: what no channel of a file may name. */
export function answerPolicyQuestion(question: PolicyQuestion, keptPlaceProblem: KeptPlaceProblem): PlanAnswer | WriteAnswer | ImportAnswer {
	if (question.kind === "plan") return plan(question, keptPlaceProblem);
	return question.kind === "write" ? write(question) : importFile(question);
}

function plan({ currentJson, facts, request: { text, fileName, isPruning } }: PlanQuestion, keptPlaceProblem: KeptPlaceProblem): PlanAnswer {
	const current = withSortedApprovers(inOrder(JSON.parse(currentJson) as Policy));
	const read = readPolicyFile(text, { fileName, world: { ...worldOf(facts, current), keptPlaceProblem }, isPruning });
	if (read.kind === "refused") return { kind: "refused", mistakes: read.mistakes, text: renderMistakes(read.mistakes) };
	const next = withSortedApprovers(mergePolicy(current, read.file, { isPruning }));
	const changes = diffPolicy(current, next);
	return { kind: "planned", nextJson: JSON.stringify(next), changesJson: JSON.stringify(changes), changeCount: changes.length, text: renderChanges(changes) };
}

function write({ policyJson, teamIds = null }: WriteQuestion): WriteAnswer {
	const whole = inOrder(JSON.parse(policyJson) as Policy);
	const policy = teamIds === null ? whole : { ...whole, teams: Object.fromEntries(Object.entries(whole.teams).filter(([id]) => teamIds.includes(id))) };
	return { policyJson: JSON.stringify(policy), text: writePolicyFile(policy) };
}

const IMPORTED = "From a LiteLLM configuration. What it could not carry over was listed beside it: look at both, then\nnpx tollgate diff policy.yaml";

function importFile({ text }: ImportQuestion): ImportAnswer {
	const { policy, notes } = importLitellm(text);
	return { text: Object.keys(policy).length === 0 ? undefined : writePolicyFile(policy, { comment: IMPORTED }), notes };
}

function worldOf({ protocolOfProvider, protocolOfModel, ...facts }: PolicyFacts, current: Policy): Omit<PolicyWorld, "keptPlaceProblem"> {
	return { ...facts, current, protocolOfProvider: (provider) => protocolOfProvider.get(provider), protocolOfModel: (alias) => protocolOfModel.get(alias) };
}

/** Who may decide is a set: its order says nothing. */
function withSortedApprovers(policy: Policy): Policy {
	const sorted = <Scope extends { readonly approvers: readonly string[] }>(scope: Scope): Scope => ({ ...scope, approvers: [...scope.approvers].sort() });
	const teams = Object.entries(policy.teams).map(([id, team]) => [id, sorted(team)]);
	return { ...policy, organization: sorted(policy.organization), teams: Object.fromEntries(teams) };
}
