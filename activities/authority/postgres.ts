import { Connection } from "../database/connection.ts";
import { resolveVirtualKey } from "../keys/resolve.ts";
import type { Authority, Change, Claim, Fenced, GrantedItem, GrantReply, GrantRequest, HeartbeatReply, HeartbeatRequest, TeamRecord } from "./port.ts";

/** Text of bigints, as the SQL functions answer in JSON. */
export type Wire<T> = { [K in keyof T]: T[K] extends bigint ? string : T[K] };

const GRANT =
	"SELECT tollgate.grant_lease($1, $2, $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9, $10, $11, $12, $13::integer[]) AS reply";
const GRANT_AHEAD = "SELECT tollgate.grant_ahead($1, $2, $3::bigint[], $4::bigint[]) AS reply";
const HEARTBEAT = "SELECT tollgate.heartbeat($1, $2, $3::bigint[], $4::bigint[], $5, $6, $7) AS reply";
const LOAD_TEAMS =
	"SELECT coalesce(jsonb_agg(reply), '[]') AS reply FROM unnest($1::text[]) AS id CROSS JOIN LATERAL tollgate.load_team(id) AS reply WHERE reply IS NOT NULL";
const IS_KEY_IN_FORCE =
	"SELECT EXISTS (SELECT 1 FROM tollgate.virtual_key WHERE id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())) AS reply";
const PRESENT = "SELECT tollgate.present_leases($1, $2, $3::bigint[], $4::bigint[], $5::bigint[]) AS reply";
const CHANGES = `SELECT revision::text, kind, subject, nullif(coalesce(detail ->> 'teamId', CASE kind WHEN 'team' THEN subject END), '@organization') AS "teamId"
  FROM tollgate.change WHERE revision > $1 ORDER BY revision LIMIT 1000`;
const ASSERT_VALUE = `WITH known AS (SELECT 1 FROM tollgate.asserted_value WHERE key_id = $1 AND dimension = $2 AND value = $3),
  added AS (INSERT INTO tollgate.asserted_value (key_id, dimension, value)
    SELECT $1, $2, $3 WHERE (SELECT count(*) FROM tollgate.asserted_value WHERE key_id = $1 AND dimension = $2) < $4
    ON CONFLICT (key_id, dimension, value) DO UPDATE SET value = excluded.value RETURNING 1)
  SELECT EXISTS (SELECT 1 FROM known) OR EXISTS (SELECT 1 FROM added) AS reply`;
const ANSWERS_OF = "SELECT coalesce(json_agg(DISTINCT answer_id), '[]') AS reply FROM tollgate.attempt WHERE answer_id = ANY ($1::text[]) AND team_id = $2";
const ITEMS_OF = "SELECT coalesce(json_agg(item_id), '[]') AS reply FROM tollgate.answer_item WHERE item_id = ANY ($1::text[]) AND team_id = $2";

/**
 * The authority over PostgreSQL for one gateway epoch. Two connections: one for grants and look-ups, one that
 * listens and carries heartbeats, so that a grant waiting for a lock never silences the gateway.
 */
export function createPostgresAuthority(input: { url: string; gatewayId: string; epoch: bigint; asking?: Connection }): Authority {
	const identity = [input.gatewayId, input.epoch.toString()];
	let onNews: ((channel: "tollgate_claim" | "tollgate_change") => void) | undefined;
	const asking = input.asking ?? openAsking(input);
	const listening = new Connection({
		url: input.url,
		applicationName: `tollgate gateway ${input.gatewayId} heartbeat`,
		plansOnce: true,
		onOpen: async (client) => {
			client.on("notification", (message) => onNews?.(message.channel === "tollgate_change" ? "tollgate_change" : "tollgate_claim"));
			await client.query("LISTEN tollgate_claim; LISTEN tollgate_change");
		},
	});
	return {
		async grant(request) {
			const reply = await ask(asking, "grant", GRANT, [...identity, ...grantParameters(request)]);
			return parseGrant(reply ?? unexpected("grant_lease"));
		},
		async grantAhead({ items }) {
			const values = [...identity, items.map((item) => item.budgetId), items.map((item) => item.want.toString())];
			const reply: AheadWire = (await ask(asking, "grant_ahead", GRANT_AHEAD, values)) ?? unexpected("grant_ahead");
			if (reply.fenced) return { isFenced: true };
			return { items: reply.items.map((item) => ({ ...parseItem(item), startsInMs: item.startsInMs })) };
		},
		async heartbeat(request) {
			const reply = await ask(listening, "heartbeat", HEARTBEAT, [...identity, ...heartbeatParameters(request)]);
			return parseHeartbeat(reply ?? unexpected("heartbeat"));
		},
		async resolveKey(secret) {
			const { expiresInMs, maxAsserted, team, ...resolution } = await resolveVirtualKey(asking.unprepared, secret);
			return { resolution, expiresInMs, maxAsserted, team: team ? parseTeam(team as Wire<TeamRecord>) : undefined };
		},
		async loadTeams(teamIds) {
			return ((await ask(asking, "load_teams", LOAD_TEAMS, [teamIds])) ?? ([] as readonly Wire<TeamRecord>[])).map(parseTeam);
		},
		async isKeyInForce(keyId) {
			return (await ask(asking, "is_key_in_force", IS_KEY_IN_FORCE, [keyId])) === true;
		},
		async present(leases) {
			await ask(listening, "present", PRESENT, [...identity, ...presentParameters(leases)]);
		},
		async changesSince(revision) {
			const rows = await listening.query<Wire<Change>>("changes", CHANGES, [revision.toString()]);
			return rows.map((row) => ({ ...row, revision: BigInt(row.revision) }));
		},
		async assertValue({ keyId, dimension, value, maxAsserted }) {
			return (await ask(asking, "assert_value", ASSERT_VALUE, [keyId, dimension, value, maxAsserted])) === true;
		},
		async answersOf({ teamId, ids }) {
			return (await ask(asking, "answers_of", ANSWERS_OF, [ids, teamId])) ?? [];
		},
		async itemsOf({ teamId, ids }) {
			return (await ask(asking, "items_of", ITEMS_OF, [ids, teamId])) ?? [];
		},
		async announceClaim() {
			await asking.query("announce", "SELECT pg_notify('tollgate_claim', $1)", [input.gatewayId]);
		},
		async listen(callback) {
			onNews = callback;
			await Promise.all([listening.open(), asking.open()]);
		},
		async close() {
			await Promise.all([asking.close(), listening.close()]);
		},
		get statements() {
			return asking.statements + listening.statements;
		},
	};
}

async function ask(connection: Connection, name: string, text: string, values: readonly unknown[]): Promise<never | undefined> {
	return (await connection.query<{ reply: never }>(name, text, values))[0]?.reply;
}

/**
 * The connection a call waits on: grants and look-ups. Closed with the authority. A grant for nothing plans the statements when it opens: the
 * first one took 23 ms instead of 2, and took them while all others of the budget stood in line behind it.
 */
export function openAsking({ url, gatewayId }: { readonly url: string; readonly gatewayId: string }): Connection {
	const nothing = [gatewayId, "0", ...grantParameters({ items: [], needs: [], wantsClaim: false, isFinal: false })];
	return new Connection({
		url,
		applicationName: `tollgate gateway ${gatewayId} grants`,
		plansOnce: true,
		onOpen: async (client) => void (await client.query({ name: "grant", text: GRANT, values: nothing })),
	});
}

function unexpected(functionName: string): never {
	throw new Error(`tollgate.${functionName} returned no row`);
}

function grantParameters({ items, needs, wantsClaim, isFinal, isNewAsk = false, dropsClaims = false, lines }: GrantRequest): unknown[] {
	const texts = (pick: (item: GrantRequest["items"][number]) => bigint | string) => items.map((item) => pick(item).toString());
	return [
		texts((item) => item.budgetId),
		texts((item) => item.windowId ?? "0"),
		texts((item) => item.leaseGranted),
		texts((item) => item.idle),
		texts((item) => item.lookahead),
		needs.flat().map(String),
		wantsClaim,
		isFinal,
		isNewAsk,
		dropsClaims,
		lines?.flat() ?? null,
	];
}

function presentParameters(leases: Parameters<Authority["present"]>[0]): string[][] {
	return [leases.map((lease) => lease.windowId), leases.map((lease) => lease.granted.toString()), leases.map((lease) => lease.returned.toString())];
}

function heartbeatParameters({ returns, answeredClaim, seenRevision, flushedRequest }: HeartbeatRequest): unknown[] {
	return [
		returns.map((entry) => entry.windowId),
		returns.map((entry) => entry.returnTo.toString()),
		answeredClaim.toString(),
		seenRevision.toString(),
		flushedRequest.toString(),
	];
}

function parseClaims(claims: readonly Wire<Claim>[]): Claim[] {
	return claims.map((claim) => ({ id: BigInt(claim.id), windowIds: claim.windowIds }));
}

type GrantWire = Wire<Omit<GrantReply, "items" | "claims">> & { items: readonly Wire<GrantedItem>[]; claims: readonly Wire<Claim>[]; fenced?: boolean };

function parseGrant(reply: GrantWire): GrantReply | Fenced {
	if (reply.fenced) return { isFenced: true };
	return {
		served: reply.served,
		revision: BigInt(reply.revision),
		claims: parseClaims(reply.claims),
		items: reply.items.map(parseItem),
	};
}

type AheadWire = { readonly items: readonly (Wire<GrantedItem> & { readonly startsInMs: number })[]; readonly fenced?: boolean };

export function parseItem(item: Wire<GrantedItem>): GrantedItem {
	return {
		...item,
		limit: BigInt(item.limit),
		stop: BigInt(item.stop),
		granted: BigInt(item.granted),
		leaseGranted: BigInt(item.leaseGranted),
		leaseReturned: BigInt(item.leaseReturned),
		leasePosted: BigInt(item.leasePosted),
		leaseOverrun: BigInt(item.leaseOverrun),
		posted: BigInt(item.posted),
		heldElsewhere: BigInt(item.heldElsewhere),
		heldUnreachable: BigInt(item.heldUnreachable),
		claimId: BigInt(item.claimId),
		leastAnswered: item.leastAnswered === null ? null : BigInt(item.leastAnswered),
	};
}

type HeartbeatWire = Wire<Omit<HeartbeatReply, "claims" | "isReturned">> & { claims: readonly Wire<Claim>[]; fenced: boolean; returned: boolean };

function parseHeartbeat(reply: HeartbeatWire): HeartbeatReply | Fenced {
	if (reply.fenced) return { isFenced: true };
	return { revision: BigInt(reply.revision), flushRequest: BigInt(reply.flushRequest), claims: parseClaims(reply.claims), isReturned: reply.returned };
}

function parseTeam(reply: Wire<TeamRecord>): TeamRecord {
	return { ...reply, revision: BigInt(reply.revision) };
}
