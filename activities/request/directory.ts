import { hash } from "node:crypto";
import { type CallDimensions, MAX_MATCHED_BUDGETS, matchBudgets } from "#domain/budget/match.ts";
import { DEFAULT_TEAM_POLICY, readTeamPolicy } from "#domain/budget/team-policy.ts";
import type { Authority, BudgetRule, TeamRecord } from "../authority/port.ts";
import type { KeyIdentity, KeyResolution, TeamPolicy } from "./port.ts";

/**
 * Who may spend where, as this gateway knows it: keys by the hash of their secret, teams with their budgets.
 * First sight costs one round trip; afterwards everything is in memory until the change log says otherwise.
 * Cache keys are hashes of the whole secret, so that two different keys can never share an entry.
 */
type Match = { readonly budgets: readonly BudgetRule[]; readonly hasTeamBudget: boolean };

type Team = { readonly record: TeamRecord; readonly policy: TeamPolicy; readonly matches: Map<string, Match> };

type KnownKey = { readonly resolution: KeyResolution; readonly expiresAtMs: number; readonly keyId: string | undefined; readonly maxAsserted: number };

const MAX_CACHED_KEYS = 200_000;
const MAX_CACHED_MATCHES = 50_000;

export class Directory {
	private readonly authority: Authority;
	private readonly nowMs: () => number;
	private readonly keys = new Map<string, KnownKey>();
	private readonly teams = new Map<string, Team>();
	private readonly asserted = new Set<string>();

	constructor(authority: Authority, nowMs: () => number) {
		this.authority = authority;
		this.nowMs = nowMs;
	}

	/** Synchronous for a key this gateway has seen. */
	resolveKey(secret: string): KeyResolution | Promise<KeyResolution> {
		const digest = hash("sha256", secret, "base64");
		const known = this.keys.get(digest);
		if (known && this.teamIsKnown(known)) {
			if (this.nowMs() < known.expiresAtMs) return known.resolution;
			this.keys.delete(digest); // expired by this clock: PostgreSQL's has the last word
		}
		return this.lookUp(secret, digest);
	}

	team(teamId: string): Team | undefined {
		return this.teams.get(teamId);
	}

	policy(teamId: string): TeamPolicy {
		return this.teams.get(teamId)?.policy ?? DEFAULT_TEAM_POLICY;
	}

	/** Budgets a call meets; `isAdmissible` is false for a team without a budget of its own that is not unlimited. */
	match(call: CallDimensions): Match & { readonly isAdmissible: boolean } {
		const team = this.teams.get(call.teamId);
		if (!team || team.record.isDeleted) return { budgets: [], hasTeamBudget: false, isAdmissible: false };
		const cacheKey = `${call.key}\0${call.feature}\0${call.user}\0${call.environment}\0${call.model}\0${call.provider}`;
		let match = team.matches.get(cacheKey);
		if (!match) {
			match = matchBudgets(team.record.budgets, call);
			if (team.matches.size >= MAX_CACHED_MATCHES) team.matches.clear();
			team.matches.set(cacheKey, match);
		}
		return { ...match, isAdmissible: (match.hasTeamBudget || team.record.isUnlimited) && match.budgets.length <= MAX_MATCHED_BUDGETS };
	}

	/** True when the key may book this value: known here, or admitted under its cap by PostgreSQL. */
	mayAssertValue(key: KeyIdentity, dimension: "user" | "feature", value: string): boolean | Promise<boolean> {
		if (!key.mayAssert.includes(dimension)) return false;
		const cacheKey = `${key.keyId}\0${dimension}\0${value}`;
		if (this.asserted.has(cacheKey)) return true;
		const maxAsserted = [...this.keys.values()].find((known) => known.keyId === key.keyId)?.maxAsserted ?? 0;
		return this.authority.assertValue({ keyId: key.keyId, dimension, value, maxAsserted }).then((isAdmitted) => {
			if (isAdmitted && this.asserted.size < MAX_CACHED_KEYS) this.asserted.add(cacheKey);
			return isAdmitted;
		});
	}

	/** A key changed: forget it, and every unknown one (it may exist now). */
	forgetKey(keyId: string): void {
		for (const [digest, known] of this.keys) if (known.keyId === undefined || known.keyId === keyId) this.keys.delete(digest);
	}

	/** Reads teams again whose budgets or policy changed; null = every team this gateway knows. Returns the budgets they had and have. */
	async reload(changed: ReadonlySet<string> | null): Promise<ReadonlySet<string>> {
		const touched = new Set<string>();
		for (const teamId of [...this.teams.keys()]) {
			if (changed !== null && !changed.has(teamId)) continue;
			const record = await this.authority.loadTeam(teamId);
			for (const budget of [...(this.teams.get(teamId)?.record.budgets ?? []), ...(record?.budgets ?? [])]) touched.add(budget.budgetId);
			if (record) this.remember(record);
			else this.teams.delete(teamId);
		}
		return touched;
	}

	private teamIsKnown(known: KnownKey): boolean {
		return known.resolution.kind === "refused" || this.teams.has(known.resolution.key.teamId);
	}

	private async lookUp(secret: string, digest: string): Promise<KeyResolution> {
		const { resolution, expiresInMs, maxAsserted, team } = await this.authority.resolveKey(secret);
		if (team) this.remember(team);
		if (this.keys.size >= MAX_CACHED_KEYS) this.keys.clear();
		const expiresAtMs = expiresInMs === null ? Number.POSITIVE_INFINITY : this.nowMs() + expiresInMs;
		this.keys.set(digest, { resolution, expiresAtMs, keyId: resolution.kind === "known" ? resolution.key.keyId : undefined, maxAsserted });
		return resolution;
	}

	private remember(record: TeamRecord): void {
		const known = this.teams.get(record.teamId);
		if (known && known.record.revision >= record.revision) return;
		this.teams.set(record.teamId, { record, policy: readTeamPolicy(record.policy).policy, matches: new Map() });
	}
}
