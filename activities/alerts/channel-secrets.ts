import { type AlertChannel, placeOf, urlProblem } from "#domain/alerts/channel.ts";
import { type SecretSource, SecretUnavailable } from "./port.ts";

/** The address of a channel, wherever it stands, and what of it must never be shown. `fallback`: where the kind has a public one. */
export function readUrl(channel: AlertChannel, readSecret: SecretSource, fallback?: string): { readonly url: string; readonly secrets: readonly string[] } {
	const place = placeOf(channel, "url");
	if (place === undefined) return { url: channel.url ?? fallback ?? "", secrets: [] };
	const url = readSecret(place);
	const problem = urlProblem(url, channel);
	// Whoever corrects it corrects what is read, so it is worth another try.
	if (problem !== undefined) throw new SecretUnavailable(`${nameOf(place)} ${problem}`);
	// A receiver that repeats the URL repeats its path, and often that alone.
	const { pathname, search } = new URL(url);
	return { url, secrets: [url, ...[pathname, search].filter((part) => part.length > 8)] };
}

/** A secret that the channel must name. */
export function readNamed(channel: AlertChannel, name: "routingKey" | "secret", readSecret: SecretSource): string {
	const place = placeOf(channel, name);
	if (place === undefined) throw new SecretUnavailable(`the channel names no ${name}`);
	const secret = readSecret(place);
	if (secret === "") throw new SecretUnavailable(`${nameOf(place)} is empty`);
	return secret;
}

function nameOf(place: NonNullable<ReturnType<typeof placeOf>>): string {
	return "file" in place ? `the file ${place.file}` : `the variable ${place.environmentVariable}`;
}
