import { ALERT_CHANNEL_KINDS, type AlertChannel, type AlertRoute } from "#domain/alerts/channel.ts";
import { ALERT_KINDS } from "#domain/alerts/kinds.ts";
import { TEAM_ID_PATTERN } from "#domain/budget/scope.ts";
import { isPrivateHost } from "#domain/policy/private-address.ts";
import { CHANNEL_RULES, type ChannelRule, VARIABLE_PATTERN, WRITTEN_FIELDS, type WrittenField } from "#domain/policy/written-form.ts";
import { isStorableText } from "#domain/text/storable-text.ts";
import { type Cursor, withoutUndefined } from "./cursor.ts";
import { readNames } from "./read-values.ts";

type Fields = Partial<Record<WrittenField<"channel">, Cursor>>;

const MAX_CHANNELS = 100;
const MAX_ROUTES = 100;
const MAX_URL_LENGTH = 2_048;
/** What people write who know other systems; none of it may stand in a policy. */
const SECRET_FIELDS = ["routingKey", "secret", "token", "password", "apiKey", "webhookUrl"] as const;

/** Channels by name. One that is wrong keeps its name, so that routes to it are not complained of as well. */
export function readChannels(cursor: Cursor): Readonly<Record<string, AlertChannel>> | undefined {
	const entries = cursor.entries();
	if (entries === undefined) return undefined;
	if (entries.length > MAX_CHANNELS) cursor.fail(`has ${entries.length} channels; at most ${MAX_CHANNELS} are allowed`);
	return Object.fromEntries(
		entries.slice(0, MAX_CHANNELS).map(([name, channel, place]) => {
			if (!TEAM_ID_PATTERN.test(name))
				channel.reading.fail(
					channel.path,
					place,
					"is no name of a channel: lower-case letters, digits, dot, _ and -, at most 63, beginning with a letter or digit",
				);
			return [name, readChannel(channel) ?? { kind: "webhook", allowPrivate: true }];
		}),
	);
}

/** Routes of the organisation or of a team: one per channel. */
export function readRoutes(cursor: Cursor): readonly AlertRoute[] | undefined {
	const seen = new Set<string>();
	return cursor.list(MAX_ROUTES, (item) => {
		const fields = item.fields(WRITTEN_FIELDS.route);
		if (fields === undefined) return undefined;
		const channel = fields.channel === undefined ? item.failMissing("channel", "is missing: the name of a channel") : fields.channel.written();
		const kinds = fields.kinds === undefined ? [] : readNames(fields.kinds, ALERT_KINDS.length, (kind) => kind.oneOf(ALERT_KINDS));
		if (channel === undefined) return fields.channel?.fail("must be the name of a channel");
		if (seen.has(channel)) return fields.channel?.fail(`has a route here already; list all kinds in one`);
		seen.add(channel);
		return kinds && { channel, kinds };
	});
}

function readChannel(cursor: Cursor): AlertChannel | undefined {
	const fields = cursor.fields([...WRITTEN_FIELDS.channel, ...SECRET_FIELDS]);
	if (fields === undefined) return undefined;
	for (const name of SECRET_FIELDS) fields[name]?.fail("never stands in a policy: name the environment variable (…Env) or the file (…File) it is in");
	const kind =
		fields.kind === undefined ? cursor.failMissing("kind", `is missing: one of ${ALERT_CHANNEL_KINDS.join(", ")}`) : fields.kind.oneOf(ALERT_CHANNEL_KINDS);
	const allowPrivate = fields.allowPrivate === undefined ? false : (fields.allowPrivate.flag() ?? true);
	const places = withoutUndefined({
		url: fields.url && (kind === "slack" ? refuseSlackUrl(fields.url) : readUrl(fields.url, allowPrivate)),
		urlEnv: fields.urlEnv && readVariable(fields.urlEnv),
		urlFile: fields.urlFile && readFilePath(fields.urlFile),
		routingKeyEnv: fields.routingKeyEnv && readVariable(fields.routingKeyEnv),
		routingKeyFile: fields.routingKeyFile && readFilePath(fields.routingKeyFile),
		secretEnv: fields.secretEnv && readVariable(fields.secretEnv),
		secretFile: fields.secretFile && readFilePath(fields.secretFile),
	});
	if (kind === undefined) return undefined;
	for (const rule of CHANNEL_RULES[kind]) checkRule(cursor, fields, rule);
	const taken = new Set(["kind", "allowPrivate", ...CHANNEL_RULES[kind].flatMap((rule) => rule.fields)]);
	for (const name of WRITTEN_FIELDS.channel)
		if (!taken.has(name) && !(kind === "slack" && name === "url")) fields[name]?.fail(`is no field of a ${kind} channel`);
	return { kind, ...places, allowPrivate };
}

function checkRule(cursor: Cursor, fields: Fields, { isOptional, fields: names }: ChannelRule): void {
	const given = names.filter((name) => fields[name] !== undefined);
	const [first = ""] = names;
	if (given.length === 0 && !isOptional && !(first === "urlEnv" && fields.url !== undefined))
		cursor.failMissing(first, `is missing: one of ${names.join(", ")}`);
	for (const name of given.slice(1)) fields[name]?.fail(`stands beside ${given[0] ?? ""}: give one of them`);
}

function refuseSlackUrl(cursor: Cursor): undefined {
	return cursor.fail("is a secret where Slack is concerned: name the environment variable (urlEnv) or the file (urlFile) it is in");
}

const URL_FORM = /^https?:\/\/(?:\[[0-9a-f:.]+\]|[^\s/?#:@[\]\\]+)(?::\d{1,5})?(?:[/?#]\S*)?$/i;

/** What is wrong is said without the URL itself: it may hold a secret. */
function readUrl(cursor: Cursor, allowPrivate: boolean): string | undefined {
	const written = cursor.written() ?? "";
	if (/^https?:\/\/[^/?#]*@/i.test(written)) return cursor.fail("must hold no credentials: name the variable or file the URL is in (urlEnv, urlFile)");
	const isUrl = written.length <= MAX_URL_LENGTH && isStorableText(written) && URL_FORM.test(written) && URL.canParse(written);
	if (!isUrl) return cursor.fail("must be an http or https URL");
	const url = new URL(written);
	if (isPrivateHost(url.hostname) && !allowPrivate)
		return cursor.fail("leads to a private, loopback or link-local address; where that is meant, set allowPrivate: true");
	if (url.protocol === "http:" && !allowPrivate) return cursor.fail("must be https; only a channel with allowPrivate: true may use http");
	return written;
}

function readVariable(cursor: Cursor): string | undefined {
	return cursor.text({
		isMeant: (text) => VARIABLE_PATTERN.test(text),
		problem: "must be the name of an environment variable, not the secret itself",
	});
}

function readFilePath(cursor: Cursor): string | undefined {
	const isMeant = (text: string): boolean => /^(\/|[A-Za-z]:[\\/])/.test(text) && text.length <= MAX_URL_LENGTH && isStorableText(text);
	return cursor.text({ isMeant, problem: "must be the absolute path of a file, not the secret itself" });
}
