import { renderAlert } from "#domain/alerts/render.ts";
import type { Answer } from "../../api/client.ts";
import type { Tone } from "../../frame/page.tsx";

export type Alert = Answer<"/admin/v1/alerts/{alertId}">;
export type Delivery = Alert["deliveries"][number];

const SEVERITY_TONES: Readonly<Record<Alert["severity"], Tone>> = { info: "quiet", warning: "warn", error: "bad", critical: "bad" };

export const STATUS_WORDS: Readonly<Record<Alert["status"], string>> = {
	firing: "stands",
	ended: "over",
	over: "end of an alert",
	notice: "happened",
};

export const DELIVERY_TONES: Readonly<Record<Delivery["state"], Tone>> = { waiting: "warn", delivered: "good", dead: "bad", superseded: "quiet" };

export const DELIVERY_WORDS: Readonly<Record<Delivery["state"], string>> = {
	waiting: "waits",
	delivered: "delivered",
	dead: "given up",
	superseded: "nothing left to tell",
};

/** What is over is no longer a matter of concern, whatever it was. */
export function toneOf({ status, severity }: Pick<Alert, "status" | "severity">): Tone {
	return status === "firing" || status === "notice" ? SEVERITY_TONES[severity] : "quiet";
}

/** Channels that did not take it, where nobody has said that he knows. */
export function deadChannels({ deliveries }: Pick<Alert, "deliveries">): readonly string[] {
	return deliveries.filter(({ state, acknowledgedBy }) => state === "dead" && acknowledgedBy === null).map(({ channel }) => channel);
}

const SHOWN_ELSEWHERE = new Set(["Team", "Since"]);

/** What is known, as channels are told it. */
export function factsOf(alert: Alert): readonly { readonly label: string; readonly value: string }[] {
	const isFiring = alert.status === "firing" || alert.status === "ended";
	return renderAlert({ ...alert, atMs: Date.parse(alert.at), isFiring, ends: [] }, null).facts.filter(({ label }) => !SHOWN_ELSEWHERE.has(label));
}

export type About = { readonly kind: "run" | "batch"; readonly id: string } | { readonly kind: "budgets" };

/** The page of what it is about; undefined where there is none. */
export function aboutOf({ kind, subject, detail, teamId }: Alert): About | undefined {
	if (kind.startsWith("run.") && subject.startsWith("run/")) return { kind: "run", id: subject.slice("run/".length) };
	if (kind.startsWith("batch.") || kind === "provider.quota") {
		const batchId = detail["batchId"];
		return typeof batchId === "string" ? { kind: "batch", id: batchId } : undefined;
	}
	const isOfBudget = /^(?:budget|increase|change|refusals)\./.test(kind);
	return isOfBudget && teamId !== "@organization" ? { kind: "budgets" } : undefined;
}
