import type { Checked, FieldProblem } from "../budget/scope.ts";
import { isStorableText } from "../text/storable-text.ts";
import { ALERT_KINDS, isAlertKind } from "./kinds.ts";

/**
 * Where alerts go. A secret, and the URL of a Slack webhook is one, never stands here: a channel names the environment variable
 * or the file of the worker that holds it. Input from people is checked here once, and every problem names its field.
 */
export const ALERT_CHANNEL_KINDS = ["slack", "pagerduty", "alertmanager", "webhook"] as const;
export type AlertChannelKind = (typeof ALERT_CHANNEL_KINDS)[number];

export type AlertChannel = {
	readonly kind: AlertChannelKind;
	/** Of alertmanager (without /api/v2/alerts) and webhook, and of pagerduty where it is not the public one. */
	readonly url?: string;
	readonly urlEnv?: string;
	readonly urlFile?: string;
	/** Of pagerduty: exactly one of the two. */
	readonly routingKeyEnv?: string;
	readonly routingKeyFile?: string;
	/** Of webhook, which is signed with it (whsec_…): exactly one of the two. */
	readonly secretEnv?: string;
	readonly secretFile?: string;
	/** Whether it may be delivered to a private, loopback or link-local address, and over plain http. */
	readonly allowPrivate: boolean;
};

/** `kinds` empty = all. */
export type AlertRoute = { readonly channel: string; readonly kinds: readonly string[] };

/** Where a secret stands; exactly one of the two. */
export type SecretPlace = { readonly environmentVariable: string } | { readonly file: string };

/** Why no channel is given what stands in a place, in words that repeat nothing of it; undefined = nothing keeps it from one. */
export type KeptPlaceProblem = (place: SecretPlace) => string | undefined;

export const CHANNEL_NAME_PATTERN = /^[a-z0-9][a-z0-9._-]{0,62}$/;
/** PagerDuty's public entry. */
export const PAGERDUTY_URL = "https://events.pagerduty.com/v2/enqueue";

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,126}$/;
const TEXT_LENGTH_MAX = 2_048;
/** Which groups of fields a kind has: its url, its routing key, its signing secret. */
const FIELDS: Readonly<Record<AlertChannelKind, readonly SecretGroup[]>> = {
	slack: [{ names: ["urlEnv", "urlFile"], isRequired: true }],
	pagerduty: [
		{ names: ["url", "urlEnv", "urlFile"], isRequired: false },
		{ names: ["routingKeyEnv", "routingKeyFile"], isRequired: true },
	],
	alertmanager: [{ names: ["url", "urlEnv", "urlFile"], isRequired: true }],
	webhook: [
		{ names: ["url", "urlEnv", "urlFile"], isRequired: true },
		{ names: ["secretEnv", "secretFile"], isRequired: true },
	],
};
const OPTIONAL_FIELDS = ["url", "urlEnv", "urlFile", "routingKeyEnv", "routingKeyFile", "secretEnv", "secretFile"] as const;

const SECRET_FIELDS = ["urlEnv", "urlFile", "routingKeyEnv", "routingKeyFile", "secretEnv", "secretFile"] as const;

type FieldName = (typeof OPTIONAL_FIELDS)[number];
type SecretGroup = { readonly names: readonly FieldName[]; readonly isRequired: boolean };

/** Checks one channel; `field` is the path put before each field name, such as "channels.pager". Every mistake at once. */
export function checkAlertChannel(input: unknown, field: string): Checked<AlertChannel> {
	if (typeof input !== "object" || input === null || Array.isArray(input)) return { kind: "invalid", problems: [{ field, problem: "must be an object" }] };
	const raw = input as Readonly<Record<string, unknown>>;
	const problems: FieldProblem[] = [];
	const kind = ALERT_CHANNEL_KINDS.find((known) => known === raw["kind"]);
	if (kind === undefined) problems.push({ field: `${field}.kind`, problem: `must be one of ${ALERT_CHANNEL_KINDS.join(", ")}` });
	else problems.push(...FIELDS[kind].flatMap((group) => checkGroup(raw, group, field)));
	const allowPrivate = raw["allowPrivate"] ?? false;
	if (typeof allowPrivate !== "boolean") problems.push({ field: `${field}.allowPrivate`, problem: "must be true or false" });
	problems.push(...checkNames(raw, kind, field));
	if (typeof raw["url"] === "string") problems.push(...checkUrl(raw["url"], { field: `${field}.url`, allowPrivate: allowPrivate === true }));
	if (problems.length > 0 || kind === undefined) return { kind: "invalid", problems };
	const given = OPTIONAL_FIELDS.flatMap((name): [string, unknown][] => (raw[name] === undefined ? [] : [[name, raw[name]]]));
	return { kind: "valid", value: { kind, ...(Object.fromEntries(given) as Partial<AlertChannel>), allowPrivate: allowPrivate === true } };
}

/** The channel as its table holds it: kind apart from the rest. */
export function channelOfRow(kind: string, config: unknown): Checked<AlertChannel> {
	return checkAlertChannel({ ...(config as object), kind }, "config");
}

/** Checks what a team, or the organisation, wants to be told and where. `channels` are the names that exist. */
export function checkAlertRoutes(input: unknown, channels: ReadonlySet<string>, field: string): Checked<readonly AlertRoute[]> {
	if (!Array.isArray(input)) return { kind: "invalid", problems: [{ field, problem: "must be a list" }] };
	const problems: FieldProblem[] = [];
	const named = new Set<unknown>();
	const routes = input.map((route: unknown, index): AlertRoute => {
		const at = `${field}[${index}]`;
		const { channel, kinds = [], ...rest } = (typeof route === "object" && route !== null ? route : {}) as Record<string, unknown>;
		for (const name of Object.keys(rest)) problems.push({ field: `${at}.${name}`, problem: "is no field of a route" });
		if (typeof channel !== "string" || !channels.has(channel)) problems.push({ field: `${at}.channel`, problem: unknownChannel(channel, channels) });
		else if (named.has(channel)) problems.push({ field: `${at}.channel`, problem: "is named by an earlier route; give that one all the kinds" });
		named.add(channel);
		if (!Array.isArray(kinds)) problems.push({ field: `${at}.kinds`, problem: "must be a list of kinds; empty means all" });
		const listed: readonly unknown[] = Array.isArray(kinds) ? kinds : [];
		for (const [place, kind] of listed.entries())
			if (!isAlertKind(kind)) problems.push({ field: `${at}.kinds[${place}]`, problem: `must be one of ${ALERT_KINDS.join(", ")}` });
		return { channel: String(channel), kinds: [...new Set(listed.filter(isAlertKind))] };
	});
	return problems.length > 0 ? { kind: "invalid", problems } : { kind: "valid", value: routes };
}

/** Where the named secret stands, or undefined where the channel names none. */
export function placeOf(channel: AlertChannel, secret: "url" | "routingKey" | "secret"): SecretPlace | undefined {
	const environmentVariable = channel[`${secret}Env`];
	if (environmentVariable !== undefined) return { environmentVariable };
	const file = channel[`${secret}File`];
	return file === undefined ? undefined : { file };
}

/** Places of the channel that Tollgate keeps for itself, by the field that names them. Refused again when an alert leaves. */
export function checkSecretPlaces(channel: AlertChannel, keptPlaceProblem: KeptPlaceProblem): readonly FieldProblem[] {
	return SECRET_FIELDS.flatMap((field): FieldProblem[] => {
		const named = channel[field];
		if (named === undefined) return [];
		const problem = keptPlaceProblem(field.endsWith("Env") ? { environmentVariable: named } : { file: named });
		return problem === undefined ? [] : [{ field, problem }];
	});
}

/** What is wrong with an address to deliver to; undefined = nothing. The text is safe to show: it repeats none of it. */
export function urlProblem(text: string, { allowPrivate }: { readonly allowPrivate: boolean }): string | undefined {
	const [, scheme, userInfo, host] = /^(https?):\/\/([^/?#@]*@)?(\[[0-9a-f:.]+\]|[^\s/?#:@[\]]+)(?::\d{1,5})?(?:[/?#]\S*)?$/i.exec(text) ?? [];
	if (scheme === undefined || host === undefined || text.length > TEXT_LENGTH_MAX || !isStorableText(text)) return "must be an http or https URL";
	if (userInfo !== undefined) return "must hold no user name or password";
	if (scheme.toLowerCase() === "http" && !allowPrivate) return "must be https; only a channel with allowPrivate may use http";
	if (/^localhost\.?$/i.test(host) && !allowPrivate) return "is on this machine; only a channel with allowPrivate may deliver there";
	return undefined;
}

function checkGroup(raw: Readonly<Record<string, unknown>>, { names, isRequired }: SecretGroup, field: string): FieldProblem[] {
	const given = names.filter((name) => raw[name] !== undefined);
	if (given.length > 1)
		return given.slice(1).map((name) => ({ field: `${field}.${name}`, problem: `stands beside ${given[0]}; give exactly one of ${names.join(", ")}` }));
	return isRequired && given.length === 0 ? [{ field: `${field}.${names[0]}`, problem: `is missing; give one of ${names.join(", ")}` }] : [];
}

/** Fields the kind does not have, secrets in plain text first, and names of variables and files that are none. */
function checkNames(raw: Readonly<Record<string, unknown>>, kind: AlertChannelKind | undefined, field: string): FieldProblem[] {
	const known = new Set<string>(["kind", "allowPrivate", ...(kind === undefined ? OPTIONAL_FIELDS : FIELDS[kind].flatMap(({ names }) => names))]);
	return Object.entries(raw).flatMap(([name, value]): FieldProblem[] => {
		const at = `${field}.${name}`;
		if (name === "url" && kind === "slack") return [{ field: at, problem: "is a secret of Slack's: name its variable or file with urlEnv or urlFile" }];
		if (name === "routingKey" || name === "secret") return [{ field: at, problem: `is a secret: name its variable or file with ${name}Env or ${name}File` }];
		if (!known.has(name)) return [{ field: at, problem: kind === undefined ? "is no field of a channel" : `is no field of a channel of kind ${kind}` }];
		if (name.endsWith("Env") && (typeof value !== "string" || !VARIABLE_NAME.test(value)))
			return [{ field: at, problem: "must be the name of an environment variable" }];
		if (name.endsWith("File") && !isAbsolutePath(value)) return [{ field: at, problem: "must be the absolute path of a file" }];
		if (name === "url" && typeof value !== "string") return [{ field: at, problem: "must be an http or https URL" }];
		return [];
	});
}

function isAbsolutePath(value: unknown): boolean {
	return typeof value === "string" && /^(\/|[A-Za-z]:[\\/])/.test(value) && value.length <= TEXT_LENGTH_MAX && isStorableText(value);
}

function checkUrl(text: string, { field, allowPrivate }: { readonly field: string; readonly allowPrivate: boolean }): FieldProblem[] {
	const problem = urlProblem(text, { allowPrivate });
	return problem === undefined ? [] : [{ field, problem }];
}

function unknownChannel(channel: unknown, channels: ReadonlySet<string>): string {
	const known = channels.size === 0 ? "there is none yet" : `there are ${[...channels].sort().join(", ")}`;
	return typeof channel === "string" ? `there is no channel ${JSON.stringify(channel.slice(0, 80))}; ${known}` : "must name a channel";
}
