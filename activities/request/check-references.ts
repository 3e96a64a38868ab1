import { isAnswerId, isItemId } from "#domain/bound/kept-ids.ts";
import type { InspectedRequest, RequestProblem } from "#domain/bound/request.ts";
import { ownedReferencesOf, type Reference } from "#domain/bound/request-facts.ts";
import type { RequestAuthority, TeamPolicy } from "./port.ts";

export type ReferenceCheck = {
	readonly teamId: string;
	readonly policy: TeamPolicy;
	readonly authority: Pick<RequestAuthority, "findUnknownAnswer" | "findUnknownItem">;
};

type Checked = RequestProblem | undefined | Promise<RequestProblem | undefined>;

/**
 * All teams share the provider account, so what it stores is open to whoever knows an id. Earlier answers and their
 * items must have been received by the same team; other stored content has no known owner. Only items and stored content
 * pass under `unknownFields: pass`.
 */
export function checkReferences(request: InspectedRequest, check: ReferenceCheck): Checked {
	const references = ownedReferencesOf(request);
	if (references.length === 0) return undefined;
	const of = (kind: Reference["kind"]) => references.filter((reference) => reference.kind === kind);
	const { authority, policy, teamId } = check;
	const hasPass = policy.unknownFields === "pass";
	const [stored] = hasPass ? [] : of("stored");
	if (stored !== undefined) return unknownOwner(stored);
	const checked = checkIds(of("answer"), ANSWERS, (ids) => authority.findUnknownAnswer(teamId, ids));
	const checkItems = () => (hasPass ? undefined : checkIds(of("item"), ITEMS, (ids) => authority.findUnknownItem(teamId, ids)));
	return checked instanceof Promise ? checked.then((problem) => problem ?? checkItems()) : (checked ?? checkItems());
}

type FindUnknown = (ids: readonly string[]) => string | undefined | Promise<string | undefined>;
type KeptKind = { readonly noun: string; isId(text: unknown): text is string };
const ANSWERS: KeptKind = { noun: "answer", isId: isAnswerId };
const ITEMS: KeptKind = { noun: "item of an answer", isId: isItemId };

function checkIds(references: readonly Reference[], kind: KeptKind, findUnknown: FindUnknown): Checked {
	const malformed = references.find(({ id }) => !kind.isId(id));
	if (malformed !== undefined) return unknownId(malformed, kind);
	if (references.length === 0) return undefined;
	const toProblem = (unknown: string | undefined) => {
		const reference = unknown === undefined ? undefined : references.find(({ id }) => id === unknown);
		return reference && unknownId(reference, kind);
	};
	const unknown = findUnknown(references.map(({ id }) => id).filter((id) => id !== undefined));
	return unknown instanceof Promise ? unknown.then(toProblem) : toProblem(unknown);
}

/** The same words for an id of nobody and one of another team: neither can be told from this. */
function unknownId({ field }: Reference, { noun }: KeptKind): RequestProblem {
	return { code: "request.unknown_reference", message: `${field}: no ${noun} with this id is known to this team; send the conversation itself instead`, field };
}

function unknownOwner({ field }: Reference): RequestProblem {
	const message = `${field}: this is stored in the provider account that all teams share, and whose it is cannot be proven; send the content itself instead`;
	return { code: "request.unknown_reference", message, field };
}
