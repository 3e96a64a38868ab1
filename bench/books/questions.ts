import type { SpendQuestion } from "#activities/spend/read-spend.ts";
import { SPEND_DIMENSIONS } from "#domain/spend/dimensions.ts";

export type NamedQuestion = { readonly name: string; readonly question: SpendQuestion };

const DAY_MS = 86_400_000;

/** Questions that people and pages ask, over all days, the last month or the last days, whole or cut at any hour. */
export function spendQuestions(nowMs: number, days: number): readonly NamedQuestion[] {
	const ago = (count: number, hours = 0): string => new Date(Math.floor(nowMs / DAY_MS) * DAY_MS - count * DAY_MS + hours * 3_600_000).toISOString();
	const all = ago(days);
	const ask = (name: string, question: SpendQuestion): NamedQuestion => ({ name, question });
	return [
		...SPEND_DIMENSIONS.filter((by) => by !== "run").map((by) => ask(`by ${by}, all days`, { by: [by], from: all })),
		...SPEND_DIMENSIONS.filter((by) => by !== "run").map((by) => ask(`by ${by}, cut at hours`, { by: [by], from: ago(days - 3, 5), to: ago(2, 7) })),
		ask("by team per month, all days", { by: ["team"], per: "month", from: all }),
		ask("by team per week, all days", { by: ["team"], per: "week", from: all }),
		ask("by team per day, all days", { by: ["team"], per: "day", from: all }),
		ask("by team per hour, 14 days", { by: ["team"], per: "hour", from: ago(14) }),
		ask("per day, all days", { by: [], per: "day", from: all }),
		ask("by feature and model per month, all days", { by: ["feature", "model"], per: "month", from: all }),
		ask("by feature, model, key and environment, all days", { by: ["feature", "model", "key", "environment"], from: all }),
		ask("one team by feature per day, all days", { by: ["feature"], per: "day", from: all, only: { team: "team-0" } }),
		ask("one team by user, all days", { by: ["user"], from: all, only: { team: "team-0" } }),
		ask("one team by user per month, all days", { by: ["user"], per: "month", from: all, only: { team: "team-0" } }),
		ask("one team by user per day, 31 days", { by: ["user"], per: "day", from: ago(31), only: { team: "team-0" } }),
		ask("one user by model per day, all days", { by: ["model"], per: "day", from: all, only: { user: "user-0-1" } }),
		ask("one run by model, all days", { by: ["model"], from: all, only: { run: "run-1000" } }),
		ask("one team by run, 31 days", { by: ["run"], from: ago(31), only: { team: "team-0" } }),
		ask("by feature and model per week, all days", { by: ["feature", "model"], per: "week", from: all }),
		ask("by user and model per month, all days", { by: ["user", "model"], per: "month", from: all, only: { team: "team-0" } }),
		ask("by run, 3 days", { by: ["run"], from: ago(3) }),
		ask("by user, 31 days", { by: ["user"], from: ago(31) }),
	];
}
