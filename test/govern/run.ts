import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { Random } from "#test/faults/random.ts";
import { chat } from "#test/support/gateway-process.ts";
import { Broken } from "./broken.ts";
import { insist } from "./insist.ts";
import { type GovernedSystem, WINDOW_KIND } from "./system.ts";

/** What happens to one team in one run; each run has a team of its own. */
export type Run = { readonly teamId: string; readonly script: Script; readonly increaseId: string | undefined };

const SCRIPTS = ["spend", "raise", "approve", "reject"] as const;
export type Script = (typeof SCRIPTS)[number];

/** Some fifteen calls. */
const LIMIT_NANO_USD = 12_000_000n;
const RAISED_LIMIT_USD = "0.02";
const INCREASE_USD = "0.006";
const CALLS_MAX = 60;

/** A team that spends its money, may get more, and spends that: whatever is killed meanwhile, everybody asks until he is answered. */
export async function performRun(system: GovernedSystem, random: Random): Promise<Run> {
	const script = random.pick(SCRIPTS);
	const team = await insist("a team", () => system.stand.team(LIMIT_NANO_USD, { admissionWaitMs: 200 }));
	await spend(system, team.key, random);
	const increaseId = await more(system, { teamId: team.teamId, script });
	if (script !== "spend") await spend(system, team.key, random);
	return { teamId: team.teamId, script, increaseId };
}

async function more({ ada, grace }: GovernedSystem, { teamId, script }: { readonly teamId: string; readonly script: Script }): Promise<string | undefined> {
	if (script === "spend") return undefined;
	if (script === "raise") {
		await insist("a higher limit", () => ada.budgets.set({ teamId, windowKind: WINDOW_KIND, limitUsd: RAISED_LIMIT_USD }));
		return undefined;
	}
	const reason = "a longer month than most";
	const { id } = await insist("a request", () => ada.increases.request({ teamId, windowKind: WINDOW_KIND, amountUsd: INCREASE_USD, reason }));
	await insist("a decision", () => (script === "approve" ? grace.increases.approve(id) : grace.increases.reject(id, "not this month")));
	return id;
}

/** Calls until the budget says no, or as many as a run makes: some runs stop before their limit. */
async function spend(system: GovernedSystem, key: string, random: Random): Promise<void> {
	const calls = random.share() < 0.3 ? random.integer(3, 14) : CALLS_MAX;
	for (let call = 0; call < calls; call += 1) {
		const status = await insist("a call", async () => {
			const answer = await chat(system.gateway, key, { simulate: { outputTokens: random.integer(20, 80) }, maxTokens: 80 });
			if (answer.status === 503) throw new CostControlError("authority.unreachable", "the gateway waits for PostgreSQL");
			return answer.status;
		});
		if (status === 402) return;
		if (status !== 200) throw new Broken(`a call was answered ${status}`);
	}
}
