import { isAnswerId } from "#domain/bound/answer-id.ts";
import type { InspectedRequest, RequestProblem } from "#domain/bound/request.ts";
import { ownedReferencesOf, type Reference } from "#domain/bound/request-facts.ts";
import type { RequestAuthority, TeamPolicy } from "./port.ts";

export type ReferenceCheck = { readonly teamId: string; readonly policy: TeamPolicy; readonly authority: Pick<RequestAuthority, "ownsAnswer"> };

/**
 * All teams share the provider account, so what it stores is open to whoever knows an id. An earlier answer must have
 * been received by the same team; stored content has no known owner and passes only under `unknownFields: pass`.
 */
export function checkReferences(request: InspectedRequest, check: ReferenceCheck): RequestProblem | undefined | Promise<RequestProblem | undefined> {
	const references = ownedReferencesOf(request);
	if (references.length === 0) return undefined;
	const stored = check.policy.unknownFields === "pass" ? undefined : references.find(({ kind }) => kind === "stored");
	if (stored !== undefined) return unknownOwner(stored);
	return checkAnswers(
		references.filter(({ kind }) => kind === "answer"),
		check,
	);
}

/** One after the other: all but the rarest request names one at most. */
function checkAnswers([answer, ...others]: readonly Reference[], check: ReferenceCheck): ReturnType<typeof checkReferences> {
	if (answer === undefined) return undefined;
	const checked = checkAnswer(answer, check);
	if (checked instanceof Promise) return checked.then((problem) => problem ?? checkAnswers(others, check));
	return checked ?? checkAnswers(others, check);
}

function checkAnswer(answer: Reference, { authority, teamId }: ReferenceCheck): RequestProblem | undefined | Promise<RequestProblem | undefined> {
	if (!isAnswerId(answer.id)) return unknownAnswer(answer);
	const owns = authority.ownsAnswer(teamId, answer.id);
	if (owns instanceof Promise) return owns.then((isOwner) => (isOwner ? undefined : unknownAnswer(answer)));
	return owns ? undefined : unknownAnswer(answer);
}

/** The same words for an answer of nobody and one of another team: neither can be told from this. */
function unknownAnswer({ field }: Reference): RequestProblem {
	return { code: "request.unknown_reference", message: `${field}: no answer with this id is known to this team; send the conversation itself instead`, field };
}

function unknownOwner({ field }: Reference): RequestProblem {
	const message = `${field}: this is stored in the provider account that all teams share, and whose it is cannot be proven; send the content itself instead`;
	return { code: "request.unknown_reference", message, field };
}
