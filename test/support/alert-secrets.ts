import { type SecretSource, SecretUnavailable } from "#activities/alerts/port.ts";

/** Secrets by the name of their variable, or the path of their file. */
export function secretsOf(secrets: ReadonlyMap<string, string>): SecretSource {
	return (place) => {
		const name = "file" in place ? place.file : place.environmentVariable;
		const secret = secrets.get(name);
		if (secret === undefined) throw new SecretUnavailable(`${name} is not set`);
		return secret;
	};
}
