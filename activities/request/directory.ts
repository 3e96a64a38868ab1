import { hash } from "node:crypto";
import { DEFAULT_RUN_POLICY, type RunPolicy } from "#domain/agents/run-policy.ts";
import { runPolicyOf } from "#domain/agents/team-runs.ts";
import { type CallDimensions, MAX_MATCHED_BUDGETS, matchBudgets } from "#domain/budget/match.ts";
import { DEFAULT_TEAM_POLICY, readTeamPolicy } from "#domain/budget/team-policy.ts";
import { type ActiveLimits, compileLimits } from "#domain/limits/rate-rules.ts";
import { readTeamLimits } from "#domain/limits/team-limits.ts";
import type { Authority, BudgetRule, TeamRecord } from "../authority/port.ts";
import type { KeyIdentity, KeyResolution, TeamPolicy } from "./port.ts";

/** What budgets say of a call. */
export type Match = {
	readonly budgets: readonly BudgetRule[];
	/** Some budget has lines that degrade calls. */
	readonly hasLines: boolean;
	/** False for a team without a budget of its own that is not unlimited. */
	readonly isAdmissible: boolean;
};

type Team = { readonly record: TeamRecord; readonly policy: TeamPolicy; readonly runs: RunPolicy; readonly matches: Map<string, Match> };

/** All secrets of one key seen here: its own and those derived from it. Mostly one, so no Set: that costs 200 bytes. */
type SecretsOfKey = { readonly maxAsserted: number; readonly digests: string[] };

type CachedKey = { readonly resolution: KeyResolution; readonly expiresAtMs: number };

type ShownSecret = { readonly secret: string; readonly digest: string };

const NO_MATCH: Match = { budgets: [], hasLines: false, isAdmissible: false };
const MAX_CACHED_KEYS = 200_000;
const MAX_CACHED_MATCHES = 50_000;
/** Teams read again in one round trip: the connection is shared with the grants. */
const TEAMS_PER_RELOAD = 200;

/**
 * Who may spend where, as this gateway knows it: keys by the hash of their secret, teams with their budgets.
 * First sight costs one round trip; afterwards everything is in memory until the change log says otherwise.
 * Cache keys are hashes of the whole secret, so that two different keys can never share an entry.
 */
export class Directory {
	private readonly authority: Authority;
	private readonly nowMs: () => number;
	private readonly keys = new Map<string, CachedKey>();
	// So that a change costs what it changes, not a walk over every key.
	private readonly secretsOfKeys = new Map<string, SecretsOfKey>();
	private readonly refusedDigests = new Set<string>();
	/** What was shown last on each open connection: callers keep both, and hashing is a tenth of what is done for a call before it is sent. */
	private readonly shown = new WeakMap<object, ShownSecret>();
	private readonly teams = new Map<string, Team>();
	private readonly asserted = new Set<string>();
	/** Goes up with every change that is followed: a look-up that was under way may have seen the time before. */
	private generation = 0;

	constructor(authority: Authority, nowMs: () => number) {
		this.authority = authority;
		this.nowMs = nowMs;
	}

	/** Synchronous for a key this gateway has seen. */
	resolveKey(secret: string, connection?: object): KeyResolution | Promise<KeyResolution> {
		const digest = connection === undefined ? digestOf(secret) : this.digestOn(connection, secret);
		const known = this.keys.get(digest);
		if (known && this.teamIsKnown(known)) {
			if (this.nowMs() < known.expiresAtMs) return known.resolution;
			this.forget(digest); // expired by this clock: PostgreSQL's has the last word
		}
		return this.lookUp(secret, digest);
	}

	team(teamId: string): Team | undefined {
		return this.teams.get(teamId);
	}

	policy(teamId: string): TeamPolicy {
		return this.teams.get(teamId)?.policy ?? DEFAULT_TEAM_POLICY;
	}

	/** Of the team's agent runs; the same object as long as nothing of the team changed. */
	runPolicy(teamId: string): RunPolicy {
		return this.teams.get(teamId)?.runs ?? DEFAULT_RUN_POLICY;
	}

	/** Budgets of its team and of the organisation that a call meets. */
	match(call: CallDimensions): Match {
		const team = this.teams.get(call.teamId);
		if (!team) return NO_MATCH;
		const cacheKey = `${call.key}\0${call.feature}\0${call.user}\0${call.environment}\0${call.model}\0${call.provider}`;
		let match = team.matches.get(cacheKey);
		if (!match) {
			const { budgets, hasTeamBudget } = matchBudgets(team.record.budgets, call);
			match = {
				budgets,
				hasLines: budgets.some(hasDegradeLines),
				isAdmissible: (hasTeamBudget || team.record.isUnlimited) && budgets.length <= MAX_MATCHED_BUDGETS,
			};
			if (team.matches.size >= MAX_CACHED_MATCHES) team.matches.clear();
			team.matches.set(cacheKey, match);
		}
		return match;
	}

	/** True when the key may book this value: known here, or admitted under its cap by PostgreSQL. */
	mayAssertValue(key: KeyIdentity, dimension: "user" | "feature", value: string): boolean | Promise<boolean> {
		if (!key.mayAssert.includes(dimension)) return false;
		const cacheKey = `${key.keyId}\0${dimension}\0${value}`;
		if (this.asserted.has(cacheKey)) return true;
		const maxAsserted = this.secretsOfKeys.get(key.keyId)?.maxAsserted ?? 0;
		return this.authority.assertValue({ keyId: key.keyId, dimension, value, maxAsserted }).then((isAdmitted) => {
			if (isAdmitted && this.asserted.size < MAX_CACHED_KEYS) this.asserted.add(cacheKey);
			return isAdmitted;
		});
	}

	/** A key changed: forget it, and every unknown one (it may exist now). */
	forgetKey(keyId: string): void {
		this.generation++;
		this.forgetRefused();
		for (const digest of this.secretsOfKeys.get(keyId)?.digests ?? []) this.keys.delete(digest);
		this.secretsOfKeys.delete(keyId);
	}

	/** Budgets of the named teams as they were known last; null = of every team. */
	budgetIdsOf(teamIds: ReadonlySet<string> | null): ReadonlySet<string> {
		const teams = this.known(teamIds).map((teamId) => this.teams.get(teamId));
		return new Set(teams.flatMap((team) => team?.record.budgets.map(({ budgetId }) => budgetId) ?? []));
	}

	/**
	 * Reads teams again whose budgets or policy changed; null = every team this gateway knows. The keys of a deleted team end
	 * with it: they are looked up again, and so is every unknown one, whose team may be back.
	 */
	async reload(changed: ReadonlySet<string> | null): Promise<void> {
		this.generation++;
		this.forgetRefused();
		const teamIds = this.known(changed);
		for (let from = 0; from < teamIds.length; from += TEAMS_PER_RELOAD) {
			const asked = teamIds.slice(from, from + TEAMS_PER_RELOAD);
			const askedAtMs = this.nowMs();
			const records = await this.authority.loadTeams(asked);
			const present = records.filter(({ isDeleted }) => !isDeleted);
			for (const record of present) this.remember(record, askedAtMs);
			const found = new Set(present.map(({ teamId }) => teamId));
			for (const teamId of asked) if (!found.has(teamId)) this.teams.delete(teamId);
		}
	}

	private digestOn(connection: object, secret: string): string {
		const last = this.shown.get(connection);
		if (last !== undefined && last.secret === secret) return last.digest;
		const digest = digestOf(secret);
		this.shown.set(connection, { secret, digest });
		return digest;
	}

	/** Of the named teams those known here; null = all. */
	private known(teamIds: ReadonlySet<string> | null): string[] {
		return teamIds === null ? [...this.teams.keys()] : [...teamIds].filter((teamId) => this.teams.has(teamId));
	}

	/** Each was looked up once, so forgetting them is paid for already. */
	private forgetRefused(): void {
		for (const digest of this.refusedDigests) this.keys.delete(digest);
		this.refusedDigests.clear();
	}

	private forget(digest: string): void {
		const resolution = this.keys.get(digest)?.resolution;
		this.keys.delete(digest);
		this.refusedDigests.delete(digest);
		if (resolution?.kind !== "known") return;
		const { keyId } = resolution.key;
		const digests = this.secretsOfKeys.get(keyId)?.digests ?? [];
		const place = digests.indexOf(digest);
		if (place >= 0) digests.splice(place, 1);
		if (digests.length === 0) this.secretsOfKeys.delete(keyId);
	}

	private forgetEverything(): void {
		this.keys.clear();
		this.secretsOfKeys.clear();
		this.refusedDigests.clear();
	}

	private teamIsKnown({ resolution }: CachedKey): boolean {
		return resolution.kind === "refused" || this.teams.has(resolution.key.teamId);
	}

	private async lookUp(secret: string, digest: string): Promise<KeyResolution> {
		const { generation } = this;
		const askedAtMs = this.nowMs(); // an end counts from before asking: never later than PostgreSQL's
		const { resolution, expiresInMs, maxAsserted, team } = await this.authority.resolveKey(secret);
		if (generation !== this.generation) return this.lookUp(secret, digest);
		if (team) this.remember(team, askedAtMs);
		if (this.keys.size >= MAX_CACHED_KEYS) this.forgetEverything();
		this.forget(digest);
		const expiresAtMs = expiresInMs === null ? Number.POSITIVE_INFINITY : askedAtMs + expiresInMs;
		this.keys.set(digest, { resolution, expiresAtMs });
		if (resolution.kind === "refused") this.refusedDigests.add(digest);
		else {
			const { keyId } = resolution.key;
			const digests = this.secretsOfKeys.get(keyId)?.digests;
			digests?.push(digest);
			this.secretsOfKeys.set(keyId, { maxAsserted, digests: digests ?? [digest] });
		}
		return resolution;
	}

	private remember(record: TeamRecord, askedAtMs: number): void {
		const known = this.teams.get(record.teamId);
		if (known && known.record.revision >= record.revision) return;
		const policy = { ...readTeamPolicy(record.policy).policy, limits: limitsOf(record, askedAtMs) };
		this.teams.set(record.teamId, { record, policy, runs: runPolicyOf(record.runs), matches: new Map() });
	}
}

function digestOf(secret: string): string {
	return hash("sha256", secret, "base64");
}

export function hasDegradeLines({ degrade }: BudgetRule): boolean {
	return (degrade?.length ?? 0) > 0;
}

function limitsOf({ teamId, limits, throttles = [] }: TeamRecord, askedAtMs: number): ActiveLimits | undefined {
	const active = throttles.map(({ endsInMs, ...throttle }) => ({ ...throttle, endsAtMs: askedAtMs + endsInMs }));
	return compileLimits(teamId, readTeamLimits(limits), active);
}
