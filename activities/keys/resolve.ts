import type { KeyIdentity, KeyResolution } from "#activities/request/port.ts";
import { decideChildKey, decideKeyLife, type KeyFacts, type KeyRefusal, parseChildKeyPayload, readPresentedKey } from "#domain/keys/virtual-key.ts";
import { hashSecret, isChildSignatureValid } from "./derive.ts";
import type { Queryable } from "./port.ts";

/**
 * A resolved key and how long the answer holds. `expiresInMs` counts from the moment PostgreSQL answered
 * (null = until revoked); `team` is the team with its budgets as tollgate.load_team gives it.
 */
export type VirtualKeyResolution = KeyResolution & { readonly expiresInMs: number | null; readonly maxAsserted: number; readonly team: unknown };

/** The reply of tollgate.resolve_key. */
type KeyRow = {
	keyId: string;
	teamId: string;
	feature: string | null;
	userId: string | null;
	environment: string | null;
	models: string[] | null;
	endpoints: string[] | null;
	mayAssert: ("user" | "feature")[];
	maxAsserted: number;
	requiresRun: boolean;
	resubmitsBatches: boolean;
	relanesBatches: boolean;
	derivePublicKey: string;
	isRevoked: boolean;
	expiresInMs: number | null;
	nowMs: number;
	team: { isDeleted?: boolean } | null;
};

const RESOLVE = "SELECT tollgate.resolve_key($1, $2) AS key";

const UNKNOWN: KeyRefusal = {
	code: "key.invalid",
	message: "This key is not known here. Check that it was copied whole, and that it belongs to this installation.",
};

/** Secret or child key to identity: one SQL round trip at most, none for text that cannot be a key. Life is judged on PostgreSQL's clock. */
export async function resolveVirtualKey(database: Queryable, presentedText: string): Promise<VirtualKeyResolution> {
	const presented = readPresentedKey(presentedText);
	if (presented.kind === "malformed") return refused(UNKNOWN);
	const [secretHash, keyId] = presented.kind === "secret" ? [hashSecret(presented.secret), null] : [null, presented.parentKeyId];
	const row = (await database.query<{ key: KeyRow | null }>(RESOLVE, [secretHash, keyId])).rows[0]?.key;
	if (!row || row.team?.isDeleted) return refused(UNKNOWN);
	const facts: KeyFacts = { isRevoked: row.isRevoked, expiresInMs: row.expiresInMs, feature: row.feature, userId: row.userId, environment: row.environment };
	if (presented.kind === "secret") {
		const refusal = decideKeyLife(facts);
		return refusal ? refused(refusal) : known(row, identityOf(row), row.expiresInMs);
	}
	if (!isChildSignatureValid(presented.signed, presented.signatureText, Buffer.from(row.derivePublicKey, "base64"))) return refused(UNKNOWN);
	const payload = parseChildKeyPayload(Buffer.from(presented.payloadText, "base64url").toString("utf8"));
	if (!payload) return refused(UNKNOWN);
	const childExpiresInMs = payload.exp * 1000 - row.nowMs;
	const refusal = decideChildKey(facts, payload, childExpiresInMs);
	if (refusal) return refused(refusal);
	const identity = identityOf(row);
	const child: KeyIdentity = {
		...identity,
		userId: payload.user ?? identity.userId,
		feature: payload.feature ?? identity.feature,
		environment: payload.environment ?? identity.environment,
		// What a child key names is attested; a child that names a user cannot assert another one.
		mayAssert: identity.mayAssert.filter((dimension) => payload[dimension] === undefined),
	};
	return known(row, child, Math.min(childExpiresInMs, row.expiresInMs ?? childExpiresInMs));
}

function identityOf(row: KeyRow): KeyIdentity {
	const { keyId, teamId, feature, userId, environment, models, endpoints, mayAssert, requiresRun, resubmitsBatches, relanesBatches } = row;
	return { keyId, teamId, feature, userId, environment, models, endpoints, mayAssert, requiresRun, resubmitsBatches, relanesBatches };
}

function known(row: KeyRow, key: KeyIdentity, expiresInMs: number | null): VirtualKeyResolution {
	return { kind: "known", key, expiresInMs, maxAsserted: row.maxAsserted, team: row.team };
}

function refused(refusal: KeyRefusal): VirtualKeyResolution {
	return { kind: "refused", ...refusal, expiresInMs: null, maxAsserted: 0, team: null };
}
