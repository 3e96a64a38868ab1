import fc from "fast-check";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { readPolicyFile } from "#activities/policy/read-policy-file.ts";
import { writePolicyFile } from "#activities/policy/write-policy-file.ts";
import { policySchema } from "#config/policy-schema.ts";
import type { AlertRoute } from "#domain/alerts/channel.ts";
import { type BudgetDefinition, selectorKey } from "#domain/budget/scope.ts";
import type { CallCap, RateRule } from "#domain/limits/team-limits.ts";
import { diffPolicy, type PolicyChange } from "#domain/policy/diff-policy.ts";
import { capKey, inOrder, mergePolicy, rateKey, routeKey } from "#domain/policy/merge-policy.ts";
import { EMPTY_POLICY, type Policy, type PolicyFile } from "#domain/policy/policy.ts";
import { anyPolicy, anyPolicyFile } from "#test/support/policies.ts";

const RUNS = { numRuns: 300 };

function read(text: string): PolicyFile {
	const result = readPolicyFile(text, { fileName: "policy.yaml" });
	if (result.kind === "refused") throw new Error(`${JSON.stringify(result.mistakes, null, 1)}\n${text}`);
	return result.file;
}

test("what is written is read back: a policy, and a file that leaves things out", () => {
	fc.assert(
		fc.property(anyPolicy, anyPolicyFile, (policy, file) => {
			expect(mergePolicy(EMPTY_POLICY, read(writePolicyFile(policy)), { isPruning: false })).toEqual(policy);
			for (const isPruning of [false, true]) {
				expect(mergePolicy(policy, read(writePolicyFile(file)), { isPruning })).toEqual(mergePolicy(policy, file, { isPruning }));
			}
		}),
		RUNS,
	);
});

test("applying a policy as it was shown brings all of it back, whatever holds by then", () => {
	fc.assert(
		fc.property(anyPolicy, anyPolicy, (current, shown) => {
			const next = mergePolicy(current, read(writePolicyFile(shown)), { isPruning: true });
			// Keys alone outlive it: they are revoked, not pruned.
			for (const [id, team] of Object.entries(shown.teams)) expect({ ...next.teams[id], keys: team.keys }).toEqual(team);
			expect({ ...next, teams: Object.keys(next.teams) }).toEqual({ ...shown, teams: Object.keys(shown.teams) });
		}),
		RUNS,
	);
});

test("an editor accepts what is read", () => {
	fc.assert(
		fc.property(anyPolicyFile, (file) => {
			expect(policySchema.safeParse(parse(writePolicyFile(file))).error?.issues ?? []).toEqual([]);
		}),
		RUNS,
	);
});

test("without pruning nothing is archived, and what a file says holds", () => {
	fc.assert(
		fc.property(anyPolicy, anyPolicyFile, (current, file) => {
			const next = mergePolicy(current, file, { isPruning: false });
			expect(diffPolicy(current, next).filter(({ kind }) => kind === "archive")).toEqual([]);
			expect(mergePolicy(next, file, { isPruning: false })).toEqual(next);
		}),
		RUNS,
	);
});

test("a diff of equals is empty, whatever their order; its changes make the one of the other", () => {
	fc.assert(
		fc.property(anyPolicy, anyPolicy, (current, next) => {
			expect(diffPolicy(current, reversed(current))).toEqual([]);
			expect(inOrder(applyChanges(current, diffPolicy(current, next)))).toEqual(next);
		}),
		RUNS,
	);
});

function reversed(policy: Policy): Policy {
	const flip = <Value>(record: Readonly<Record<string, Value>>): Record<string, Value> => Object.fromEntries(Object.entries(record).reverse());
	const teams = Object.entries(policy.teams).map(([id, team]): [string, Policy["teams"][string]] => [
		id,
		{
			...team,
			budgets: [...team.budgets].reverse(),
			limits: { caps: [...team.limits.caps].reverse(), rates: [...team.limits.rates].reverse() },
			keys: flip(team.keys),
		},
	]);
	return { ...policy, channels: flip(policy.channels), models: flip(policy.models), teams: flip(Object.fromEntries(teams)) };
}

type Node = Record<string, unknown>;

/** The oracle: a policy as nested entries, each change put where it says. */
function applyChanges(current: Policy, changes: readonly PolicyChange[]): Policy {
	const root = toEntries(current);
	for (const { kind, at, after } of changes) {
		const parent = at.slice(0, -1).reduce<Node>((node, name) => node[name] as Node, root);
		const name = at.at(-1) ?? "";
		if (kind === "archive") delete parent[name];
		else
			Object.defineProperty(parent, name, {
				value: isTeam(at) ? teamEntries(after as Policy["teams"][string]) : after,
				enumerable: true,
				configurable: true,
				writable: true,
			});
	}
	return fromEntries(root);
}

function isTeam(at: readonly string[]): boolean {
	return at[0] === "teams" && at.length === 2;
}

function toEntries({ organization, channels, models, teams }: Policy): Node {
	return {
		organization: {
			overcommit: organization.isOvercommitted,
			approvers: organization.approvers,
			increaseCeilingUsd: organization.increaseCeilingNanoUsd,
			budgets: keyed(organization.budgets, selectorKey),
			alerts: keyed(organization.alerts, routeKey),
		},
		channels: { ...channels },
		models: { ...models },
		teams: Object.fromEntries(Object.entries(teams).map(([id, team]) => [id, teamEntries(team)])),
	};
}

function teamEntries(team: Policy["teams"][string]): Node {
	return {
		unlimited: team.isUnlimited,
		settings: { ...team.settings },
		features: team.features,
		approvers: team.approvers,
		increaseCeilingUsd: team.increaseCeilingNanoUsd,
		budgets: keyed(team.budgets, selectorKey),
		runs: team.runs,
		caps: keyed(team.limits.caps, capKey),
		rates: keyed(team.limits.rates, rateKey),
		keys: { ...team.keys },
		alerts: keyed(team.alerts, routeKey),
	};
}

function keyed<Item>(items: readonly Item[], keyOf: (item: Item) => string): Node {
	return Object.fromEntries(items.map((item) => [keyOf(item), item]));
}

function fromEntries(root: Node): Policy {
	const list = <Item>(node: unknown): Item[] => Object.values(node as Record<string, Item>);
	const organization = root["organization"] as Node;
	const shared = (node: Node) => ({
		budgets: list<BudgetDefinition>(node["budgets"]),
		approvers: node["approvers"] as string[],
		increaseCeilingNanoUsd: node["increaseCeilingUsd"] as string | null,
		alerts: list<AlertRoute>(node["alerts"]),
	});
	return {
		organization: { isOvercommitted: organization["overcommit"] as boolean, ...shared(organization) },
		channels: root["channels"] as Policy["channels"],
		models: root["models"] as Policy["models"],
		teams: Object.fromEntries(
			Object.entries(root["teams"] as Record<string, Node>).map(([id, team]) => [
				id,
				{
					isUnlimited: team["unlimited"] as boolean,
					settings: team["settings"] as Node,
					runs: team["runs"] as Policy["teams"][string]["runs"],
					features: team["features"] as string[] | null,
					keys: team["keys"] as Policy["teams"][string]["keys"],
					limits: { caps: list<CallCap>(team["caps"]), rates: list<RateRule>(team["rates"]) },
					...shared(team),
				},
			]),
		),
	};
}
