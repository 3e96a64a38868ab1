import type { AlertChannelKind } from "../alerts/channel.ts";

/** The words of a written policy. What reads, writes and describes one (docs/policy.md) takes them from here. */

export const POLICY_VERSION = 1;

export const WRITTEN_FIELDS = {
	policy: ["version", "organization", "channels", "models", "teams"],
	organization: ["timeZone", "weekStart", "fiscalYearStart", "overcommit", "approvers", "increaseCeilingUsd", "budgets", "alerts"],
	team: ["unlimited", "settings", "features", "keys", "budgets", "caps", "rates", "runs", "approvers", "increaseCeilingUsd", "alerts"],
	budget: [
		"window",
		"limitUsd",
		"tokens",
		"feature",
		"user",
		"model",
		"provider",
		"key",
		"environment",
		"timeZone",
		"weekStart",
		"fiscalYearStart",
		"mode",
		"thresholds",
	],
	threshold: ["at", "atUsd", "atTokens", "action", "to"],
	cap: ["feature", "inputTokens", "outputTokens", "costUsd"],
	rate: ["feature", "user", "model", "key", "requestsPerMinute", "tokensPerMinute", "inFlight"],
	runs: ["limits", "most", "onLoop", "newRunsPerHour", "pauseHours"],
	key: ["feature", "user", "environment", "models", "endpoints", "mayAssert", "maxAsserted", "requireRun", "batches"],
	keyBatches: ["resubmit", "relane"],
	route: ["channel", "kinds"],
	deployment: ["provider", "model", "pricedAsModel"],
	channel: ["kind", "url", "urlEnv", "urlFile", "routingKeyEnv", "routingKeyFile", "secretEnv", "secretFile", "allowPrivate"],
} as const;

export type WrittenField<Part extends keyof typeof WRITTEN_FIELDS> = (typeof WRITTEN_FIELDS)[Part][number];

/** ISO: Monday is 1. */
export const WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;

/** January is 1. */
export const MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"] as const;

export const KEY_ENDPOINTS = ["chat.completions", "responses", "embeddings", "messages", "count_tokens"] as const;
export const ASSERTABLE = ["user", "feature"] as const;
export const MAX_ASSERTED = 10_000_000;
/** Model ids and aliases travel in a header. */
export const MODEL_ID_PATTERN = /^[\x21-\x7e]{1,256}$/;
export const KEY_ID_PATTERN = /^key_[0-9a-f]{16}$/;
export const VARIABLE_PATTERN = /^[A-Za-z_][A-Za-z0-9_]{0,126}$/;
/** Caps, and rates, of one team. */
export const MAX_LIMIT_RULES = 100;

/** What each kind of channel takes beside `kind` and `allowPrivate`: of each group exactly one, but of an optional group at most one. */
export type ChannelRule = { readonly isOptional: boolean; readonly fields: readonly WrittenField<"channel">[] };
export const CHANNEL_RULES: Readonly<Record<AlertChannelKind, readonly ChannelRule[]>> = {
	slack: [{ isOptional: false, fields: ["urlEnv", "urlFile"] }],
	pagerduty: [
		{ isOptional: false, fields: ["routingKeyEnv", "routingKeyFile"] },
		{ isOptional: true, fields: ["url", "urlEnv", "urlFile"] },
	],
	alertmanager: [{ isOptional: false, fields: ["url", "urlEnv", "urlFile"] }],
	webhook: [
		{ isOptional: false, fields: ["url", "urlEnv", "urlFile"] },
		{ isOptional: false, fields: ["secretEnv", "secretFile"] },
	],
};

/** "monday" for 1. */
export function weekdayName(weekStart: number): string {
	return WEEKDAYS[weekStart - 1] ?? String(weekStart);
}

export function monthName(month: number): string {
	return MONTHS[month - 1] ?? String(month);
}
